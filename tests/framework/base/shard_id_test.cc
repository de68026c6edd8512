#include "framework/base/shard_id.h"

#include <sstream>
#include <type_traits>

#include "gtest/gtest.h"

namespace pelton {
namespace {

TEST(ShardIdTest, ComparesAndPrintsAsItsIndex) {
  EXPECT_EQ(ShardId(3), ShardId(3));
  EXPECT_LT(ShardId(2), ShardId(3));
  std::ostringstream out;
  out << ShardId(12);
  EXPECT_EQ(out.str(), "12");
}

TEST(ShardIdTest, IsNoNumber) {
  static_assert(!std::is_convertible_v<int, ShardId>);
  static_assert(!std::is_convertible_v<ShardId, int>);
}

}  // namespace
}  // namespace pelton

#include "framework/examples/internal/http_fields.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace pelton::http_internal {
namespace {

using Fields = std::vector<std::pair<std::string_view, std::string_view>>;

// The status of the first refusal, or 0.
int StatusOf(const Fields& fields, int minor_version = 1) {
  HttpFields collected;
  for (const auto& [name, value] : fields) {
    if (const Refusal* refusal = collected.Take(name, value, minor_version)) return refusal->status;
  }
  return 0;
}

TEST(HttpFieldsTest, SaysNothingBeforeTheFirstField) {
  const HttpFields fields;
  EXPECT_FALSE(fields.has_host());
  EXPECT_FALSE(fields.is_chunked());
  EXPECT_FALSE(fields.expects_continue());
  EXPECT_FALSE(fields.says_close());
  EXPECT_FALSE(fields.says_keep_alive());
  EXPECT_EQ(fields.content_length(), 0u);
}

TEST(HttpFieldsTest, CollectsWhatTheFieldsSay) {
  HttpFields fields;
  EXPECT_EQ(fields.Take("HOST", "h:80", 1), nullptr);
  EXPECT_EQ(fields.Take("Content-Length", "1234567890123456789", 1), nullptr);
  EXPECT_EQ(fields.Take("expect", "100-continue", 1), nullptr);
  EXPECT_EQ(fields.Take("Connection", "close", 1), nullptr);
  EXPECT_EQ(fields.Take("Connection", "keep-alive", 1), nullptr);
  EXPECT_TRUE(fields.has_host());
  EXPECT_EQ(fields.content_length(), 1234567890123456789u);
  EXPECT_FALSE(fields.is_chunked());
  EXPECT_TRUE(fields.expects_continue());
  EXPECT_TRUE(fields.says_close());
  EXPECT_TRUE(fields.says_keep_alive());
}

TEST(HttpFieldsTest, PassesOverAllOtherFields) {
  std::string name;
  for (int size = 1; size < 100; ++size) {
    name.push_back('x');
    EXPECT_EQ(StatusOf({{name, "\x01"}}), 0) << size;
  }
}

TEST(HttpFieldsTest, RefusesEveryOrderOfTwoLengths) {
  const std::pair<std::string_view, std::string_view> length = {"Content-Length", "0"};
  const std::pair<std::string_view, std::string_view> chunked = {"Transfer-Encoding", "chunked"};
  EXPECT_EQ(StatusOf({length}), 0);
  EXPECT_EQ(StatusOf({chunked}), 0);
  EXPECT_EQ(StatusOf({length, length}), 400);
  EXPECT_EQ(StatusOf({length, chunked}), 400);
  EXPECT_EQ(StatusOf({chunked, length}), 400);
  EXPECT_EQ(StatusOf({chunked, chunked}), 400);
}

TEST(HttpFieldsTest, KnowsNoTransferCodingInVersion10) {
  EXPECT_EQ(StatusOf({{"Transfer-Encoding", "chunked"}}, /*minor_version=*/0), 400);
  EXPECT_EQ(StatusOf({{"Transfer-Encoding", "gzip"}}, /*minor_version=*/0), 400);
  EXPECT_EQ(StatusOf({{"Transfer-Encoding", "gzip"}}), 501);
}

}  // namespace
}  // namespace pelton::http_internal

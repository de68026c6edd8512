#include "framework/testing/internal/seeds.h"

#include <limits>
#include <numeric>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "framework/base/strings.h"

namespace pelton::testing_internal {
namespace {

constexpr uint64_t kMostRuns = 1'000'000;

absl::StatusOr<uint64_t> ParseNumber(std::string_view source, std::string_view value,
                                     uint64_t most) {
  uint64_t number = 0;
  // SimpleAtoi also takes blanks and a sign.
  const bool digits =
      !value.empty() && value.find_first_not_of("0123456789") == std::string_view::npos;
  if (!digits || !absl::SimpleAtoi(ToAbsl(value), &number) || number > most) {
    return absl::InvalidArgumentError(
        absl::StrCat(ToAbsl(source), "=", ToAbsl(value), ": expected a number from 0 to ", most));
  }
  return number;
}

absl::Status Apply(std::string_view source, std::string_view value, SeedRequest& request,
                   bool is_count) {
  if (is_count) {
    PELTON_ASSIGN_OR_RETURN(const uint64_t count, ParseNumber(source, value, kMostRuns));
    request.count = static_cast<uint32_t>(count);
  } else {
    PELTON_ASSIGN_OR_RETURN(request.only,
                            ParseNumber(source, value, std::numeric_limits<uint64_t>::max()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SeedRequest> ParseSeedRequest(const std::vector<std::string>& arguments,
                                             const char* seed_variable,
                                             const char* seeds_variable) {
  SeedRequest request;
  if (seed_variable != nullptr) {
    PELTON_RETURN_IF_ERROR(Apply("PELTON_SEED", seed_variable, request, /*is_count=*/false));
  }
  if (seeds_variable != nullptr) {
    PELTON_RETURN_IF_ERROR(Apply("PELTON_SEEDS", seeds_variable, request, /*is_count=*/true));
  }
  for (const std::string_view argument : arguments) {
    if (!argument.starts_with("--pelton_")) continue;
    const std::string_view name = argument.substr(0, argument.find('='));
    const std::string_view value =
        name.size() < argument.size() ? argument.substr(name.size() + 1) : std::string_view();
    if (name != "--pelton_seed" && name != "--pelton_seeds") {
      return absl::InvalidArgumentError(absl::StrCat(
          ToAbsl(argument), ": unknown; there are --pelton_seed=SEED and --pelton_seeds=COUNT"));
    }
    PELTON_RETURN_IF_ERROR(Apply(name, value, request, name == "--pelton_seeds"));
  }
  return request;
}

std::vector<uint64_t> SeedsToRun(const SeedRequest& request, uint32_t shuffled_runs) {
  if (request.only.has_value()) return {*request.only};
  std::vector<uint64_t> seeds(size_t{1} + request.count.value_or(shuffled_runs));
  std::iota(seeds.begin(), seeds.end(), 0);
  return seeds;
}

}  // namespace pelton::testing_internal

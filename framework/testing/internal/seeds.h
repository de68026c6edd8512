// Which seeds a test runs under: from the test, the command line and the environment.
//
// Seed 0 stands for no shuffling: ready tasks run first in, first out.
//
// Shard affinity: none; pure.

#ifndef PELTON_FRAMEWORK_TESTING_INTERNAL_SEEDS_H_
#define PELTON_FRAMEWORK_TESTING_INTERNAL_SEEDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace pelton::testing_internal {

// What the user of the test program asked for.
struct SeedRequest {
  // Run under this seed alone (--pelton_seed, PELTON_SEED).
  std::optional<uint64_t> only;
  // How many shuffled runs every test gets, whatever it says itself (--pelton_seeds, PELTON_SEEDS).
  std::optional<uint32_t> count;
};

// Reads `arguments` (those that begin with --pelton_) and the values of the environment's
// PELTON_SEED and PELTON_SEEDS, which may be null; arguments win.
// ERRORS: INVALID_ARGUMENT names what was wrong and what was expected.
absl::StatusOr<SeedRequest> ParseSeedRequest(const std::vector<std::string>& arguments,
                                             const char* seed_variable, const char* seeds_variable);

// The seeds to run under, in this order: the one that was asked for, or 0 and as many others as the
// test (`shuffled_runs`) or the request says.
std::vector<uint64_t> SeedsToRun(const SeedRequest& request, uint32_t shuffled_runs);

}  // namespace pelton::testing_internal

#endif  // PELTON_FRAMEWORK_TESTING_INTERNAL_SEEDS_H_

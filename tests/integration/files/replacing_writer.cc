// Replaces a file by its next version, again and again, and writes the number of each to its standard
// output once it is done, until it is killed.

#include <cstdint>
#include <string>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "framework/pelton.h"
#include "io/file/atomic_file.h"
#include "io/file/file.h"
#include "tests/integration/files/versions.h"

ABSL_FLAG(std::string, path, "", "the file to replace");
ABSL_FLAG(uint64_t, first, 1, "the first version");
ABSL_FLAG(bool, durable, true, "whether to sync");

namespace {

pelton::Task<absl::Status> Serve(pelton::Shard&) {
  pelton::File output = pelton::File::Adopt(1, "standard output");
  for (uint64_t version = absl::GetFlag(FLAGS_first);; ++version) {
    const std::string bytes = pelton::testing::BytesOfVersion(version);
    PELTON_CO_RETURN_IF_ERROR(co_await pelton::ReplaceFile(
        absl::GetFlag(FLAGS_path), bytes, {.durable = absl::GetFlag(FLAGS_durable)}));
    const std::string line = absl::StrCat(version, "\n");
    PELTON_CO_RETURN_IF_ERROR(co_await output.WriteAll(line));
  }
}

}  // namespace

int main(int argc, char** argv) {
  return pelton::Main(argc, argv, Serve, "Replaces a file until it is killed.");
}

// What the writer under test writes and its test expects: the bytes of each version of a file can be
// told from its number, and no part of one is another.

#ifndef PELTON_TESTS_INTEGRATION_FILES_VERSIONS_H_
#define PELTON_TESTS_INTEGRATION_FILES_VERSIONS_H_

#include <cstdint>
#include <string>

namespace pelton::testing {

// The whole file of version `number`: its number in the first line, then 1 to 200 KB.
inline std::string BytesOfVersion(uint64_t number) {
  std::string bytes = std::to_string(number) + "\n";
  const uint64_t size = 1000 + number * 7919 % 200'000;
  uint64_t state = number;
  while (bytes.size() < size) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    bytes += static_cast<char>('a' + (state >> 33) % 26);
  }
  return bytes;
}

}  // namespace pelton::testing

#endif  // PELTON_TESTS_INTEGRATION_FILES_VERSIONS_H_

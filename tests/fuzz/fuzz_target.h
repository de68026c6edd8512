// What a fuzz target offers. The same source serves two programs: linked with bounded_fuzz_test.cc
// it is an ordinary test that tries a fixed number of inputs, the same ones each time; compiled
// with -fsanitize=fuzzer instead it is a libFuzzer program that searches on.

#ifndef PELTON_TESTS_FUZZ_FUZZ_TARGET_H_
#define PELTON_TESTS_FUZZ_FUZZ_TARGET_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

// Tries one input. A broken invariant aborts the process. Returns 0.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace pelton {

// Inputs to start from: each way through the code should have one.
std::vector<std::string> FuzzSeeds();

// Pieces of text that a blind change of bytes would hardly come upon.
std::vector<std::string> FuzzWords();

}  // namespace pelton

#endif  // PELTON_TESTS_FUZZ_FUZZ_TARGET_H_

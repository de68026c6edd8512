// Lines and words of a text, one after the other, without copying.
//
// Shard affinity: none; pure.

#ifndef PELTON_IO_NAMES_TEXT_WORDS_H_
#define PELTON_IO_NAMES_TEXT_WORDS_H_

#include <algorithm>
#include <string_view>

namespace pelton::io {

// Takes the first line off `text`, without its end.
inline std::string_view TakeLine(std::string_view& text) {
  const size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == text.npos ? text.size() : end + 1);
  return line;
}

// Takes the first word off `line`; empty when there is none.
inline std::string_view TakeWord(std::string_view& line) {
  constexpr std::string_view kBlanks = " \t\r\v\f";
  line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
  const size_t end = std::min(line.find_first_of(kBlanks), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(end);
  return word;
}

}  // namespace pelton::io

#endif  // PELTON_IO_NAMES_TEXT_WORDS_H_

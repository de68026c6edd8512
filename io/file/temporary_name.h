// The name of a temporary file, which is removed when nobody wants it any more. Private to io/file.
//
// Shard affinity: the shard that made it.
// Ownership: whoever made it owns it, until it is abandoned or kept; once abandoned its own: it
// removes the name and frees itself, with the directory.

#ifndef PELTON_IO_FILE_TEMPORARY_NAME_H_
#define PELTON_IO_FILE_TEMPORARY_NAME_H_

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "io/file/file.h"
#include "io/file_operation.h"

namespace pelton::io {

class TemporaryName final : private FileOperation {
 public:
  // `name` is in `directory`.
  TemporaryName(File directory, std::string name)
      : FileOperation(OperationKind::kUnlink),
        directory_(std::move(directory)),
        name_(std::move(name)) {}

  // Removes the name, without waiting, and frees this. An error is logged.
  void Abandon();
  // The name is not temporary any more: yields the directory, and frees this.
  File Keep();

  File& directory() { return directory_; }
  PathAt path() const {
    return {.directory = directory_.descriptor(),
            .name = name_,
            .shown = absl::StrCat(directory_.path(), "/", name_)};
  }

 private:
  ~TemporaryName() = default;
  void OnCompletion(const Completion& completion) override;

  File directory_;
  const std::string name_;
};

}  // namespace pelton::io

#endif  // PELTON_IO_FILE_TEMPORARY_NAME_H_

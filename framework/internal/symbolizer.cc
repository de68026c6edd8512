#include "framework/internal/symbolizer.h"

#include <cxxabi.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace pelton {
namespace {

// libdw wants a number for the one thread there is.
constexpr pid_t kTheThread = 1;

std::string Demangle(const char* name) {
  int status = 0;
  char* const demangled = abi::__cxa_demangle(name, nullptr, nullptr, &status);
  std::string result = status == 0 ? demangled : name;
  std::free(demangled);
  // A coroutine's body and its first part are the same function to its author.
  return absl::StrReplaceAll(result, {{" [clone .resume]", ""}, {" (.resume)", ""}});
}

// Without the folders that Bazel compiles in, and without detours.
std::string ShortPath(std::string_view path) {
  constexpr std::string_view kBazel = "/proc/self/cwd/";
  if (path.substr(0, kBazel.size()) == kBazel) path.remove_prefix(kBazel.size());
  return std::filesystem::path(path).lexically_normal().string();
}

// FILE:LINE of an address; empty when there is no line table. The units of compilation are asked one
// by one: clang writes no table of which of them holds an address.
std::string LineOf(Dwfl_Module* module, Dwarf_Addr address) {
  Dwarf_Addr bias = 0;
  for (Dwarf_Die* unit = dwfl_module_nextcu(module, nullptr, &bias); unit != nullptr;
       unit = dwfl_module_nextcu(module, unit, &bias)) {
    if (dwarf_haspc(unit, address - bias) != 1) continue;
    Dwarf_Line* const line = dwarf_getsrc_die(unit, address - bias);
    const char* const file = line != nullptr ? dwarf_linesrc(line, nullptr, nullptr) : nullptr;
    int number = 0;
    if (file == nullptr || dwarf_lineno(line, &number) != 0) return "";
    return absl::StrCat(ShortPath(file), ":", number);
  }
  return "";
}

}  // namespace

// What libdw knows of this process, and the stack that it is to unwind.
class Symbolizer::Session {
 public:
  Session() : dwfl_(dwfl_begin(&kCallbacks)) { Refresh(); }
  ~Session() { dwfl_end(dwfl_); }

  // Learns which libraries are loaded now.
  void Refresh() {
    if (dwfl_ == nullptr) return;
    dwfl_report_begin(dwfl_);
    dwfl_linux_proc_report(dwfl_, ::getpid());
    dwfl_report_end(dwfl_, nullptr, nullptr);
    if (!attached_) {
      attached_ = dwfl_attach_state(dwfl_, nullptr, ::getpid(), &kThreadCallbacks, this);
    }
  }

  std::vector<std::string> Unwind(const NativeStack& stack) {
    stack_ = &stack;
    frames_.clear();
    // Fails at the end of the copy, or at code without tables: what was found till then is good.
    if (attached_) dwfl_getthread_frames(dwfl_, kTheThread, &OnFrame, this);
    stack_ = nullptr;
    if (frames_.empty()) frames_.push_back(DescribeAddress(stack.pc()));
    return std::move(frames_);
  }

  std::string DescribeAddress(Dwarf_Addr address) {
    Dwfl_Module* const module = dwfl_ != nullptr ? dwfl_addrmodule(dwfl_, address) : nullptr;
    if (module == nullptr) return absl::StrCat("0x", absl::Hex(address));
    GElf_Off offset = 0;
    GElf_Sym symbol;
    const char* const name =
        dwfl_module_addrinfo(module, address, &offset, &symbol, nullptr, nullptr, nullptr);
    const std::string line = LineOf(module, address);
    if (name != nullptr) {
      const std::string function = Demangle(name);
      return line.empty() ? absl::StrCat(function, "+0x", absl::Hex(offset))
                          : absl::StrCat(function, " ", line);
    }
    Dwarf_Addr start = 0;
    const char* const file =
        dwfl_module_info(module, nullptr, &start, nullptr, nullptr, nullptr, nullptr, nullptr);
    const std::string place = absl::StrCat(file, "+0x", absl::Hex(address - start));
    return line.empty() ? place : absl::StrCat(place, " ", line);
  }

 private:
  static int OnFrame(Dwfl_Frame* frame, void* session) {
    Session& self = *static_cast<Session*>(session);
    Dwarf_Addr pc = 0;
    bool interrupted = false;
    if (!dwfl_frame_pc(frame, &pc, &interrupted)) return DWARF_CB_ABORT;
    // Where a call returns to may belong to the next line, or to the next function.
    self.frames_.push_back(self.DescribeAddress(interrupted ? pc : pc - 1));
    return self.frames_.size() < kMaxFrames ? DWARF_CB_OK : DWARF_CB_ABORT;
  }

  static pid_t NextThread(Dwfl*, void* session, void** thread) {
    if (*thread != nullptr) return 0;
    *thread = session;
    return kTheThread;
  }
  static bool GetThread(Dwfl*, pid_t, void* session, void** thread) {
    *thread = session;
    return true;
  }
  static bool ReadMemory(Dwfl*, Dwarf_Addr address, Dwarf_Word* word, void* session) {
    uint64_t value;
    if (!static_cast<Session*>(session)->stack_->ReadWord(address, &value)) return false;
    *word = value;
    return true;
  }
  static bool SetRegisters(Dwfl_Thread* thread, void* session) {
    const NativeStack& stack = *static_cast<Session*>(session)->stack_;
    dwfl_thread_state_register_pc(thread, stack.pc());
    return dwfl_thread_state_registers(thread, 0, NativeStack::kRegisters,
                                       stack.registers().data());
  }

  static constexpr Dwfl_Callbacks kCallbacks = {
      .find_elf = &dwfl_linux_proc_find_elf,
      .find_debuginfo = &dwfl_standard_find_debuginfo,
  };
  static constexpr Dwfl_Thread_Callbacks kThreadCallbacks = {
      .next_thread = &NextThread,
      .get_thread = &GetThread,
      .memory_read = &ReadMemory,
      .set_initial_registers = &SetRegisters,
  };

  Dwfl* const dwfl_;
  bool attached_ = false;
  const NativeStack* stack_ = nullptr;
  std::vector<std::string> frames_;
};

Symbolizer::Symbolizer() = default;
Symbolizer::~Symbolizer() = default;

std::vector<std::string> Symbolizer::Describe(const NativeStack& stack) {
  if (session_ == nullptr) {
    session_ = std::make_unique<Session>();
  } else {
    session_->Refresh();
  }
  return session_->Unwind(stack);
}

std::string Symbolizer::Describe(uintptr_t address) {
  if (session_ == nullptr) session_ = std::make_unique<Session>();
  return session_->DescribeAddress(address);
}

}  // namespace pelton

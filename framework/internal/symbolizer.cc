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

// A place in the source. The function's name is there when it was inlined into that of the next place.
struct Place {
  std::string inlined_function;
  std::string line;  // FILE:LINE
};

// Collects the inlined functions whose code `address` lies in, from the outside in.
void CollectInlined(Dwarf_Die* parent, Dwarf_Addr address, std::vector<Dwarf_Die>* inlined) {
  Dwarf_Die die;
  for (int end = dwarf_child(parent, &die); end == 0; end = dwarf_siblingof(&die, &die)) {
    const int tag = dwarf_tag(&die);
    if (tag == DW_TAG_namespace) CollectInlined(&die, address, inlined);
    if (tag != DW_TAG_subprogram && tag != DW_TAG_inlined_subroutine && tag != DW_TAG_lexical_block)
      continue;
    if (dwarf_haspc(&die, address) != 1) continue;
    if (tag == DW_TAG_inlined_subroutine) inlined->push_back(die);
    CollectInlined(&die, address, inlined);
    return;
  }
}

// Adds where each function that was inlined at `address` was called, from the inside out.
void AddInlined(Dwarf_Die* unit, Dwarf_Addr address, std::vector<Place>* places) {
  std::vector<Dwarf_Die> inlined;
  CollectInlined(unit, address, &inlined);
  Dwarf_Files* files = nullptr;
  size_t count = 0;
  if (dwarf_getsrcfiles(unit, &files, &count) != 0) return;
  for (auto call = inlined.rbegin(); call != inlined.rend(); ++call) {
    Dwarf_Attribute attribute;
    Dwarf_Word file = 0;
    Dwarf_Word line = 0;
    dwarf_formudata(dwarf_attr(&*call, DW_AT_call_file, &attribute), &file);
    dwarf_formudata(dwarf_attr(&*call, DW_AT_call_line, &attribute), &line);
    const char* const path = dwarf_filesrc(files, file, nullptr, nullptr);
    const char* const name = dwarf_diename(&*call);
    if (path == nullptr || name == nullptr) return;
    places->back().inlined_function = name;
    places->push_back({"", absl::StrCat(ShortPath(path), ":", line)});
  }
}

// The places of an address, innermost first; none when there is no line table. The units of
// compilation are asked one by one: clang writes no table of which of them holds an address.
std::vector<Place> PlacesOf(Dwfl_Module* module, Dwarf_Addr address) {
  std::vector<Place> places;
  Dwarf_Addr bias = 0;
  for (Dwarf_Die* unit = dwfl_module_nextcu(module, nullptr, &bias); unit != nullptr;
       unit = dwfl_module_nextcu(module, unit, &bias)) {
    if (dwarf_haspc(unit, address - bias) != 1) continue;
    Dwarf_Line* const line = dwarf_getsrc_die(unit, address - bias);
    const char* const file = line != nullptr ? dwarf_linesrc(line, nullptr, nullptr) : nullptr;
    int number = 0;
    if (file == nullptr || dwarf_lineno(line, &number) != 0) break;
    places.push_back({"", absl::StrCat(ShortPath(file), ":", number)});
    AddInlined(unit, address - bias, &places);
    break;
  }
  return places;
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
    std::string text;
    std::string line;
    for (const Place& place : PlacesOf(module, address)) {
      line = place.line;
      if (place.inlined_function.empty()) break;
      absl::StrAppend(&text, place.inlined_function, " ", line, ", inlined into ");
    }
    GElf_Off offset = 0;
    GElf_Sym symbol;
    const char* const name =
        dwfl_module_addrinfo(module, address, &offset, &symbol, nullptr, nullptr, nullptr);
    if (name != nullptr) {
      absl::StrAppend(&text, Demangle(name));
    } else {
      Dwarf_Addr start = 0;
      const char* const file =
          dwfl_module_info(module, nullptr, &start, nullptr, nullptr, nullptr, nullptr, nullptr);
      absl::StrAppend(&text, file);
      offset = address - start;
    }
    return line.empty() ? absl::StrCat(text, "+0x", absl::Hex(offset))
                        : absl::StrCat(text, " ", line);
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

// One load on one disk, for bench/io/disk/run: prints what came of it as one line of key=value.
//
//   disk_load --mode=random_read --file=F --depth=32 --seconds=1
//   disk_load --mode=sequential_write --file=F --bytes=268435456 --block=1048576
//   disk_load --mode=mixed --file=F --writer_file=G --writer_depth=4 --scheduled=false

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "bench/echo/histogram.h"
#include "framework/pelton.h"
#include "io/file/direct_buffer.h"
#include "io/file/direct_file.h"
#include "io/file/io_scheduler.h"

ABSL_FLAG(std::string, mode, "random_read", "random_read, sequential_write or mixed");
ABSL_FLAG(std::string, file, "", "the file that is read at random, or written");
ABSL_FLAG(std::string, writer_file, "",
          "mixed: the file that the bulk writer goes over; empty: none");
ABSL_FLAG(uint64_t, bytes, 256 << 20, "sequential_write: how long the file becomes");
ABSL_FLAG(uint32_t, block, 4096, "bytes of each read or write");
ABSL_FLAG(uint32_t, depth, 1, "how many of them go on at once");
ABSL_FLAG(uint32_t, writer_depth, 4, "mixed: how many writes of 1 MiB go on at once");
ABSL_FLAG(bool, scheduled, true,
          "mixed: reader and writer are in groups of 100 and 10 shares; else both in one, which "
          "is no order at all");
ABSL_FLAG(absl::Duration, seconds, absl::Seconds(1), "how long it is measured");

namespace pelton::bench {
namespace {

constexpr uint32_t kWriterBlock = 1 << 20;

struct Measure {
  Histogram latency;
  uint64_t written = 0;  // bytes
  bool over = false;
};

Timestamp Now() { return Scheduler::Current()->PreciseNow(); }

uint64_t RandomBlock(uint64_t blocks) { return Scheduler::Current()->random().Below(blocks); }

// Reads blocks at random until `end`.
Task<absl::Status> Read(DirectFile& file, uint64_t blocks, Timestamp end, Measure& measure) {
  const uint32_t block = absl::GetFlag(FLAGS_block);
  PELTON_CO_ASSIGN_OR_RETURN(const DirectBuffer buffer,
                             DirectBufferPool::Current().Allocate(block));
  Timestamp begin = Now();
  while (begin < end) {
    PELTON_CO_ASSIGN_OR_RETURN(
        const size_t bytes, co_await file.Read(RandomBlock(blocks) * block, buffer.first(block)));
    if (bytes != block) co_return absl::InternalError(absl::StrCat("a read of ", bytes, " bytes"));
    const Timestamp now = Now();
    measure.latency.Record(static_cast<uint64_t>(absl::ToInt64Nanoseconds(now - begin)));
    begin = now;
  }
  co_return absl::OkStatus();
}

// Writes every `depth`-th block of the file, from block `first` on.
Task<absl::Status> WriteBlocks(DirectFile& file, uint64_t first, uint64_t depth, uint64_t blocks) {
  const uint32_t block = absl::GetFlag(FLAGS_block);
  PELTON_CO_ASSIGN_OR_RETURN(const DirectBuffer buffer,
                             DirectBufferPool::Current().Allocate(block));
  std::memset(buffer.data(), 'w', block);
  for (uint64_t i = first; i < blocks; i += depth) {
    PELTON_CO_RETURN_IF_ERROR(co_await file.Write(i * block, buffer.first(block)));
  }
  co_return absl::OkStatus();
}

// Goes over the file in large writes until the measurement is over.
Task<absl::Status> WriteBulk(DirectFile& file, uint64_t first, Measure& measure) {
  PELTON_CO_ASSIGN_OR_RETURN(const uint64_t size, co_await file.Size());
  PELTON_CO_ASSIGN_OR_RETURN(const DirectBuffer buffer,
                             DirectBufferPool::Current().Allocate(kWriterBlock));
  std::memset(buffer.data(), 'w', kWriterBlock);
  for (uint64_t i = first; !measure.over; ++i) {
    const uint64_t offset = i % (size / kWriterBlock) * kWriterBlock;
    PELTON_CO_RETURN_IF_ERROR(co_await file.Write(offset, buffer.span()));
    measure.written += kWriterBlock;
  }
  co_return absl::OkStatus();
}

Task<absl::Status> WriteInBackground(std::string path, Measure& measure) {
  PELTON_CO_ASSIGN_OR_RETURN(DirectFile file, co_await DirectFile::Open(path, {.write = true}));
  TaskScope writers;
  const uint32_t depth = absl::GetFlag(FLAGS_writer_depth);
  // pelton: bounded: as many as the flags say
  for (uint32_t i = 0; i < depth; ++i) {
    writers.Spawn(WriteBulk(file, uint64_t{i} * 16, measure));
  }
  co_return co_await writers.Join();
}

Task<absl::Status> ReadForAWhile(Measure& measure) {
  PELTON_CO_ASSIGN_OR_RETURN(DirectFile file, co_await DirectFile::Open(absl::GetFlag(FLAGS_file)));
  PELTON_CO_ASSIGN_OR_RETURN(const uint64_t size, co_await file.Size());
  const Timestamp begin = Now();
  const Timestamp end = begin + absl::GetFlag(FLAGS_seconds);
  TaskScope readers;
  const uint32_t depth = absl::GetFlag(FLAGS_depth);
  // pelton: bounded: as many as the flags say
  for (uint32_t i = 0; i < depth; ++i) {
    readers.Spawn(Read(file, size / absl::GetFlag(FLAGS_block), end, measure));
  }
  PELTON_CO_RETURN_IF_ERROR(co_await readers.Join());
  measure.over = true;
  const double seconds = absl::ToDoubleSeconds(Now() - begin);
  std::printf("iops=%.1f p50_us=%.2f p99_us=%.2f written_per_second=%.0f registered=%d\n",
              static_cast<double>(measure.latency.count()) / seconds,
              static_cast<double>(measure.latency.Quantile(0.5)) / 1e3,
              static_cast<double>(measure.latency.Quantile(0.99)) / 1e3,
              static_cast<double>(measure.written) / seconds,
              DirectBufferPool::Current().statistics().registered_bytes > 0 ? 1 : 0);
  co_return absl::OkStatus();
}

Task<absl::Status> Mix() {
  Measure measure;
  SchedulingGroup reader;
  SchedulingGroup writer;
  if (absl::GetFlag(FLAGS_scheduled)) {
    PELTON_CO_ASSIGN_OR_RETURN(reader, SchedulingGroup::Create("reader", {.shares = 100}));
    PELTON_CO_ASSIGN_OR_RETURN(writer, SchedulingGroup::Create("writer", {.shares = 10}));
  }
  TaskScope background;
  if (const std::string path = absl::GetFlag(FLAGS_writer_file); !path.empty()) {
    background.Spawn(In(writer, WriteInBackground(path, measure)));
  }
  PELTON_CO_RETURN_IF_ERROR(co_await In(reader, ReadForAWhile(measure)));
  co_return co_await background.Join();
}

Task<absl::Status> WriteSequentially() {
  const Timestamp begin = Now();
  PELTON_CO_ASSIGN_OR_RETURN(
      DirectFile file,
      co_await DirectFile::Open(absl::GetFlag(FLAGS_file),
                                {.write = true, .create = true, .truncate = true}));
  const uint64_t blocks = absl::GetFlag(FLAGS_bytes) / absl::GetFlag(FLAGS_block);
  const uint32_t depth = absl::GetFlag(FLAGS_depth);
  TaskScope writers;
  // pelton: bounded: as many as the flags say
  for (uint32_t i = 0; i < depth; ++i) writers.Spawn(WriteBlocks(file, i, depth, blocks));
  PELTON_CO_RETURN_IF_ERROR(co_await writers.Join());
  PELTON_CO_RETURN_IF_ERROR(co_await file.Sync());
  PELTON_CO_RETURN_IF_ERROR(co_await file.Close());
  const double seconds = absl::ToDoubleSeconds(Now() - begin);
  const double bytes = static_cast<double>(blocks) * absl::GetFlag(FLAGS_block);
  std::printf("bytes_per_second=%.0f\n", bytes / seconds);
  co_return absl::OkStatus();
}

Task<absl::Status> Serve(Shard& shard) {
  if (shard.id() != ShardId(0)) co_return absl::OkStatus();
  const std::string mode = absl::GetFlag(FLAGS_mode);
  if (mode == "mixed") co_return co_await Mix();
  if (mode == "sequential_write") co_return co_await WriteSequentially();
  if (mode == "random_read") {
    Measure measure;
    co_return co_await ReadForAWhile(measure);
  }
  co_return absl::InvalidArgumentError(
      absl::StrCat("--mode=", mode, ": expected random_read, sequential_write or mixed"));
}

}  // namespace
}  // namespace pelton::bench

int main(int argc, char** argv) {
  return pelton::Main(argc, argv, pelton::bench::Serve, "One load on one disk.");
}

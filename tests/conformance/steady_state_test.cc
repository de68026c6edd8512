// Once it runs, I/O allocates nothing.

#include <gtest/gtest.h>

#include <string>

#include "alloc/thread_allocations.h"
#include "tests/conformance/tcp_test.h"

namespace pelton::testing {
namespace {

class SteadyStateTest : public TcpTest {
 protected:
  void SetUp() override {
    if (!ThreadAllocationsCounted()) GTEST_SKIP() << "this build's allocator does not count";
    TcpTest::SetUp();
  }
};
INSTANTIATE_TEST_SUITE_P(Modes, SteadyStateTest, ::testing::Bool(), NameOfMode);

// A request and its reply, each way of reading and writing once.
Task<absl::Status> Exchange(TcpStream& client, TcpStream& server, std::string_view message) {
  const std::string_view pieces[] = {message, "", message};
  PELTON_CO_RETURN_IF_ERROR(co_await client.WriteAll(pieces));
  for (size_t read = 0; read < 2 * message.size();) {
    PELTON_CO_ASSIGN_OR_RETURN(Chunk bytes, co_await server.Read());
    read += bytes.size();
    PELTON_CO_RETURN_IF_ERROR(co_await server.Write(bytes));
  }
  char target[512];
  for (size_t read = 0; read < 2 * message.size();) {
    PELTON_CO_ASSIGN_OR_RETURN(size_t count, co_await client.ReadInto(target));
    read += count;
  }
  co_return absl::OkStatus();
}

TEST_P(SteadyStateTest, ReadsAndWritesAllocateNothing) {
  const std::string message = Pattern(3000);
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(TcpListener listener, TcpListener::Bind("127.0.0.1:0"));
    PELTON_CO_ASSIGN_OR_RETURN(TcpStream client, co_await TcpStream::Connect(listener.address()));
    PELTON_CO_ASSIGN_OR_RETURN(TcpStream server, co_await listener.Accept());
    uint64_t before = 0;
    for (int round = 0; round < 1100; ++round) {
      if (round == 100) before = ThreadAllocatedBytes();
      PELTON_CO_RETURN_IF_ERROR(co_await Exchange(client, server, message));
    }
    EXPECT_EQ(ThreadAllocatedBytes() - before, 0u);
    co_return absl::OkStatus();
  });
}

TEST_P(SteadyStateTest, AcceptingConnectingAndClosingAllocateNothing) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(TcpListener listener, TcpListener::Bind("127.0.0.1:0"));
    uint64_t before = 0;
    for (int round = 0; round < 300; ++round) {
      if (round == 100) before = ThreadAllocatedBytes();
      PELTON_CO_ASSIGN_OR_RETURN(TcpStream client, co_await TcpStream::Connect(listener.address()));
      PELTON_CO_ASSIGN_OR_RETURN(TcpStream server, co_await listener.Accept());
      PELTON_CO_RETURN_IF_ERROR(co_await Exchange(client, server, "hello"));
    }
    EXPECT_EQ(ThreadAllocatedBytes() - before, 0u);
    co_return absl::OkStatus();
  });
}

}  // namespace
}  // namespace pelton::testing

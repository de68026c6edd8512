// One include is all that a service needs.

#include "framework/pelton.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "framework/stepped_runtime.h"

namespace pelton {
namespace {

class Store {
 public:
  void Put(std::string value) { value_ = std::move(value); }
  std::string Get() const { return value_; }

 private:
  std::string value_;
};

Task<absl::Status> Echo(TcpStream peer) {
  for (;;) {
    PELTON_CO_ASSIGN_OR_RETURN(const Chunk bytes, co_await peer.Read());
    if (bytes.empty()) co_return absl::OkStatus();
    PELTON_CO_RETURN_IF_ERROR(co_await peer.Write(bytes));
  }
}

Task<absl::StatusOr<std::string>> Ask(SocketAddress address, std::string text) {
  PELTON_CO_ASSIGN_OR_RETURN(TcpStream peer, co_await TcpStream::Connect(address));
  PELTON_CO_RETURN_IF_ERROR(co_await peer.Write(text));
  PELTON_CO_ASSIGN_OR_RETURN(const Chunk bytes, co_await peer.Read());
  co_return std::string(bytes.text());
}

// Uses the vocabulary that the documentation promises.
Task<absl::Status> Serve(Shard& shard) {
  if (shard.id() != ShardId(0)) co_return absl::OkStatus();
  EXPECT_EQ(co_await On(ShardId(1), []() -> Task<int> { co_return 5; }), 5);

  Sharded<Store> store;
  PELTON_CO_RETURN_IF_ERROR(co_await store.Start());
  co_await store.Invoke(ShardId(1), &Store::Put, std::string("value"));
  EXPECT_EQ(co_await store.Invoke(ShardId(1), &Store::Get), "value");
  co_await store.Stop();

  PELTON_CO_ASSIGN_OR_RETURN(TcpListener listener,
                             TcpListener::Bind("127.0.0.1:0", {.every_shard = false}));
  const SocketAddress address = listener.address();
  TaskScope connections;
  TaskScope server;
  server.Spawn([&]() -> Task<absl::Status> {
    const absl::Status status = co_await listener.ForEach(connections, Echo);
    co_return absl::IsCancelled(status) ? absl::OkStatus() : status;
  });
  auto [first, second] = co_await WhenAll(Ask(address, "one"), Ask(address, "two"));
  EXPECT_EQ(*first, "one");
  EXPECT_EQ(*second, "two");
  const absl::Status late = co_await WithTimeout(absl::Seconds(1), []() -> Task<absl::Status> {
    co_return co_await SleepFor(absl::Hours(1));
  }());
  EXPECT_TRUE(absl::IsDeadlineExceeded(late));
  co_await PreemptionPoint();
  server.Cancel();
  co_return co_await server.Join();
}

TEST(PeltonTest, OneIncludeIsAllThatAServiceNeeds) {
  SteppedRuntime runtime({.shards = 2});
  const absl::Status status = runtime.Run(Serve);
  EXPECT_TRUE(status.ok()) << status;
}

}  // namespace
}  // namespace pelton

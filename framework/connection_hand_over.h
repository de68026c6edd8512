// How a connection that one shard has accepted gets to another one: as a descriptor in a message.
// io/stream/shared_listener.h decides when.
//
// Shard affinity: called on the shard that accepted. Cost: one frame of its pool and one message.

#ifndef PELTON_FRAMEWORK_CONNECTION_HAND_OVER_H_
#define PELTON_FRAMEWORK_CONNECTION_HAND_OVER_H_

#include "framework/base/shard_id.h"
#include "io/stream/acceptor.h"

namespace pelton {

// Sends `descriptor` to shard `to`, where `acceptor` takes it. Until it has arrived it counts as work
// of the service, so that none is lost when the service ends.
void HandOverConnection(ShardId to, io::Acceptor& acceptor, int descriptor);

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_CONNECTION_HAND_OVER_H_

// A participant that writes HTTP/2 frames itself, so that it can answer what no gRPC library would.
#ifndef UNWIND_TESTS_SUPPORT_RAW_PEER_H_
#define UNWIND_TESTS_SUPPORT_RAW_PEER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace unwind {

// Frames, ready to be sent.
namespace h2 {

using Fields = std::vector<std::pair<std::string, std::string>>;

std::string Headers(std::uint32_t stream, const Fields& fields, bool ends_stream);
std::string Data(std::uint32_t stream, const std::string& bytes, bool ends_stream);
std::string ResetStream(std::uint32_t stream, std::uint32_t error);
std::string GoAway(std::uint32_t last_stream, std::uint32_t error);

// What a gRPC server begins an answer with.
std::string Begin(std::uint32_t stream);
// `bytes` behind gRPC's prefix of five bytes.
std::string Message(const std::string& bytes, bool compressed = false);

}  // namespace h2

// Thread-safe.
class RawPeer {
 public:
  // One thing to do about a call, `after` the one before is done.
  struct Act {
    enum class Kind : std::uint8_t {
      kSend,   // `bytes` as they are
      kData,   // `bytes` in DATA frames of the call's stream, as the receiver's windows allow
      kClose,  // end the connection
      kReset,  // end it by a TCP reset
    };
    Kind kind = Kind::kSend;
    std::string bytes = {};
    absl::Duration after = absl::ZeroDuration();
  };
  // What to do about the call of `stream` that carried the message `request`. Runs on the peer's thread.
  using Script = std::function<std::vector<Act>(std::uint32_t stream, const std::string& request)>;

  // Listens on the loopback.
  explicit RawPeer(Script script);
  ~RawPeer();

  // host:port
  std::string address() const;

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_RAW_PEER_H_

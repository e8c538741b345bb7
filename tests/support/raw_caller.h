// A caller that writes HTTP/2 frames itself, so that it can begin what no gRPC library would leave unfinished.
#ifndef UNWIND_TESTS_SUPPORT_RAW_CALLER_H_
#define UNWIND_TESTS_SUPPORT_RAW_CALLER_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "absl/time/time.h"

namespace unwind {

// One connection. Not thread-safe.
class RawCaller {
 public:
  // `port`: on the loopback.
  explicit RawCaller(int port);
  ~RawCaller();
  RawCaller(const RawCaller&) = delete;
  RawCaller& operator=(const RawCaller&) = delete;

  // Begins calls of the method at `path`, each with all but the last byte of a message of so many bytes, at most so
  // many a second and as the server's windows allow. Returns how many bytes it took, once it takes no more for
  // `patience`.
  std::size_t SendUnfinished(const std::string& path, int calls, std::size_t message_bytes,
                             std::size_t bytes_per_second, absl::Duration patience);

 private:
  struct Stream {
    std::int64_t window = 0;
    std::size_t left = 0;  // bytes to send
  };

  bool Receive(absl::Duration wait);
  void Handle(std::uint8_t type, std::uint8_t flags, std::uint32_t stream, const std::string& payload);
  bool Write(const std::string& bytes);
  std::size_t SendWhatMay();

  int fd_ = -1;
  bool ended_ = false;
  std::string received_;
  std::int64_t window_;         // of the connection
  std::int64_t stream_window_;  // of a new stream
  std::uint32_t next_stream_ = 1;
  std::map<std::uint32_t, Stream> streams_;
};

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_RAW_CALLER_H_

// One request of HTTP/1 and its answer, after which the connection ends.
#ifndef UNWIND_COMMON_METRICS_HTTP_EXCHANGE_H_
#define UNWIND_COMMON_METRICS_HTTP_EXCHANGE_H_

#include <cstddef>
#include <functional>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "common/base/file_descriptor.h"

namespace unwind {

// Not thread-safe; never waits.
class HttpExchange {
 public:
  // `socket` is non-blocking. What is not over at `ends` should be dropped.
  HttpExchange(FileDescriptor socket, absl::Time ends) : socket_(std::move(socket)), ends_(ends) {}

  int socket() const { return socket_.get(); }
  short events() const;  // what to poll for
  absl::Time ends() const { return ends_; }

  // Reads and writes what the socket allows now; false: it is over. A GET of /metrics is answered with `page()`, any
  // other path with 404, any other method with 405, and what is no request, or has more than 8 KiB, with 400.
  bool Advance(const std::function<std::string()>& page);

 private:
  bool Read(const std::function<std::string()>& page);
  bool Write();

  FileDescriptor socket_;
  absl::Time ends_;
  std::string request_;   // as much as has come
  std::string answer_;    // empty: the request is not whole
  std::size_t sent_ = 0;  // of answer_
};

}  // namespace unwind

#endif  // UNWIND_COMMON_METRICS_HTTP_EXCHANGE_H_

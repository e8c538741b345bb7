#include "common/metrics/http_exchange.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace unwind {
namespace {

constexpr std::size_t kRequestBytesMax = 8 << 10;
constexpr char kHeadEnd[] = "\r\n\r\n";

bool MustWait() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

std::string Answer(absl::string_view status, absl::string_view body, absl::string_view more = "") {
  return absl::StrCat("HTTP/1.1 ", status, "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n", more,
                      "Content-Length: ", body.size(), "\r\nConnection: close\r\n\r\n", body);
}

// `head` begins with the request line.
std::string AnswerTo(absl::string_view head, const std::function<std::string()>& page) {
  const std::vector<absl::string_view> line = absl::StrSplit(head.substr(0, head.find("\r\n")), ' ');
  if (line.size() != 3 || !absl::StartsWith(line[2], "HTTP/1.")) {
    return Answer("400 Bad Request", "this is no request of HTTP/1\n");
  }
  if (line[0] != "GET") return Answer("405 Method Not Allowed", "only GET is served\n", "Allow: GET\r\n");
  if (line[1].substr(0, line[1].find('?')) != "/metrics") return Answer("404 Not Found", "only /metrics is served\n");
  return Answer("200 OK", page());
}

}  // namespace

short HttpExchange::events() const { return answer_.empty() ? POLLIN : POLLOUT; }

bool HttpExchange::Advance(const std::function<std::string()>& page) {
  if (answer_.empty() && !Read(page)) return false;
  return answer_.empty() || Write();
}

// False: the connection has ended.
bool HttpExchange::Read(const std::function<std::string()>& page) {
  char part[1024];
  while (!absl::StrContains(request_, kHeadEnd)) {
    if (request_.size() > kRequestBytesMax) {
      answer_ = Answer("400 Bad Request", "the request is too long\n");
      return true;
    }
    const ssize_t got = recv(socket(), part, sizeof(part), 0);
    if (got <= 0) return got < 0 && MustWait();
    request_.append(part, static_cast<std::size_t>(got));
  }
  answer_ = AnswerTo(request_, page);
  return true;
}

// False: all is sent, or the connection has ended.
bool HttpExchange::Write() {
  while (sent_ < answer_.size()) {
    const ssize_t sent = send(socket(), answer_.data() + sent_, answer_.size() - sent_, MSG_NOSIGNAL);
    if (sent < 0) return MustWait();
    sent_ += static_cast<std::size_t>(sent);
  }
  return false;
}

}  // namespace unwind

#include "tests/support/bad_answers.h"

#include <utility>

namespace unwind {
namespace {

using Act = RawPeer::Act;

constexpr int kCancelled = 1, kUnknown = 2, kDeadlineExceeded = 4, kRefused = 9, kUnimplemented = 12, kInternal = 13,
              kUnavailable = 14;

Act Send(std::string frames) { return {.kind = Act::Kind::kSend, .bytes = std::move(frames)}; }
Act SendData(std::string bytes) { return {.kind = Act::Kind::kData, .bytes = std::move(bytes)}; }

std::string Trailers(std::uint32_t stream, const h2::Fields& trailers) { return h2::Headers(stream, trailers, true); }

std::vector<Act> Encoded(std::uint32_t stream, const std::string& encoding, const std::string& bytes) {
  const h2::Fields headers = {{":status", "200"}, {"content-type", "application/grpc"}, {"grpc-encoding", encoding}};
  return {Send(h2::Headers(stream, headers, false)), SendData(h2::Message(bytes, true)),
          Send(Trailers(stream, {{"grpc-status", "0"}}))};
}

std::vector<Act> Html(std::uint32_t stream, const std::string& status) {
  return {Send(h2::Headers(stream, {{":status", status}, {"content-type", "text/html"}}, false) +
               h2::Data(stream, "<html>no</html>", true))};
}

// The beginning of a message, then a byte now and then.
std::vector<Act> Trickle(std::uint32_t stream) {
  std::vector<Act> acts = {Send(h2::Begin(stream)), SendData(h2::Message(std::string(5000, 'x')).substr(0, 5))};
  for (int i = 0; i < 4000; ++i) {
    acts.push_back({.kind = Act::Kind::kSend, .bytes = h2::Data(stream, "x", false), .after = absl::Milliseconds(20)});
  }
  return acts;
}

std::vector<Act> OnlyHeaders(std::uint32_t stream) {
  return {Send(Trailers(stream, {{":status", "200"}, {"content-type", "application/grpc"}, {"grpc-status", "0"}}))};
}

std::vector<BadAnswer> OfOneCall() {
  return {
      {"OkWithoutMessage",
       [](auto s) {
         return AnswerWith(s, {{"grpc-status", "0"}});
       },
       kInternal, "ANSWER_WITHOUT_MESSAGE"},
      {"OkInTheHeaders", OnlyHeaders, kInternal, "ANSWER_WITHOUT_MESSAGE"},
      {"HalfAMessage", [](auto s) { return AnswerOk(s, h2::Message("half a message").substr(0, 9)); }, kInternal,
       "ANSWER_WITHOUT_MESSAGE"},
      {"MessageThatDoesNotParse", [](auto s) { return AnswerOk(s, h2::Message("\xff\xff\xff")); }, 0,
       "REPLY_NOT_READABLE"},
      {"LargeReply", [](auto s) { return AnswerOk(s, h2::Message(std::string(1 << 20, 'x'))); }, kInternal,
       "REPLY_TOO_LARGE"},
      {"CompressedReply", [](auto s) { return Encoded(s, "gzip", std::string(50000, '\x1f')); }, kInternal,
       "REPLY_COMPRESSED"},
      {"UnknownEncoding", [](auto s) { return Encoded(s, "snappy", "\xff\xff\xff"); }, 0, "REPLY_NOT_READABLE"},
      {"NoStatus",
       [](auto s) {
         return AnswerWith(s, {{"x", "y"}});
       },
       kUnknown},
      {"UnknownStatus",
       [](auto s) {
         return AnswerWith(s, {{"grpc-status", "99"}});
       },
       kUnknown},
      {"NegativeStatus",
       [](auto s) {
         return AnswerWith(s, {{"grpc-status", "-1"}});
       },
       kUnknown},
      {"StatusThatIsNoNumber",
       [](auto s) {
         return AnswerWith(s, {{"grpc-status", "abc"}});
       },
       kUnknown},
      {"Http404", [](auto s) { return Html(s, "404"); }, kUnimplemented},
      {"Http500", [](auto s) { return Html(s, "500"); }, kUnknown},
      {"Http503", [](auto s) { return Html(s, "503"); }, kUnavailable},
      {"ResetBeforeHeaders", [](auto s) { return std::vector{Send(h2::ResetStream(s, 8))}; }, kCancelled},
      {"ResetAfterHeaders", [](auto s) { return std::vector{Send(h2::Begin(s) + h2::ResetStream(s, 2))}; }, kInternal},
      {"MessageOf40KB",
       [](auto s) {
         return AnswerWith(s, {{"grpc-status", "9"}, {"grpc-message", std::string(40000, 'm')}});
       },
       kRefused},
      {"DetailsThatAreNoStatus",
       [](auto s) {
         return AnswerWith(s, {{"grpc-status", "9"}, {"grpc-status-details-bin", std::string(40000, 'A')}});
       },
       kRefused},
      // In gRPC's words the connection ended.
      {"WrongContentType", [](auto s) { return Html(s, "200"); }, kUnavailable, "CONNECTION_ENDED"},
      {"NoTrailers", [](auto s) { return std::vector{Send(h2::Begin(s) + h2::Data(s, h2::Message("fine"), true))}; },
       kUnavailable, "CONNECTION_ENDED"},
      {"EndlessTrickle", Trickle, kDeadlineExceeded, "", false, absl::Milliseconds(300)},
      {"Silence", [](auto) { return std::vector<Act>(); }, kDeadlineExceeded, "", false, absl::Milliseconds(300)},
  };
}

std::vector<BadAnswer> OfTheConnection() {
  const auto ends = [](std::string name, std::function<std::vector<Act>(std::uint32_t)> acts) {
    return BadAnswer{std::move(name), std::move(acts), kUnavailable, "CONNECTION_ENDED", true};
  };
  return {
      ends("Close", [](auto) { return std::vector{Act{.kind = Act::Kind::kClose}}; }),
      ends("CloseAfterHeaders",
           [](auto s) {
             return std::vector{Send(h2::Begin(s)), Act{.kind = Act::Kind::kClose, .after = absl::Milliseconds(5)}};
           }),
      ends("TcpReset", [](auto) { return std::vector{Act{.kind = Act::Kind::kReset}}; }),
      ends("GoAway",
           [](auto) {
             return std::vector{Send(h2::GoAway(0, 2)), Act{.kind = Act::Kind::kClose}};
           }),
      ends("Garbage", [](auto) { return std::vector{Send(std::string(100, '\xff'))}; }),
      ends("Http1", [](auto) { return std::vector{Send("HTTP/1.1 400 Bad Request\r\n\r\n")}; }),
      ends("DetailsThatAreNotBase64",
           [](auto s) {
             return AnswerWith(s, {{"grpc-status", "9"}, {"grpc-status-details-bin", "!!!! not base64"}});
           }),
      ends("TrailersOf300KB",
           [](auto s) {
             return AnswerWith(s, {{"grpc-status", "9"}, {"grpc-message", std::string(300000, 'm')}});
           }),
      ends("FrameAboveTheMaximum",
           [](auto s) { return std::vector{Send(h2::Begin(s) + h2::Data(s, std::string(5 << 20, 'x'), false))}; }),
  };
}

}  // namespace

std::vector<Act> AnswerOk(std::uint32_t stream, const std::string& message, h2::Fields trailers) {
  trailers.insert(trailers.begin(), {"grpc-status", "0"});
  return {Send(h2::Begin(stream)), SendData(message), Send(Trailers(stream, trailers))};
}

std::vector<Act> AnswerWith(std::uint32_t stream, const h2::Fields& trailers) {
  return {Send(h2::Begin(stream)), Send(Trailers(stream, trailers))};
}

const std::vector<BadAnswer>& BadAnswers() {
  static const auto* const kAll = [] {
    auto* all = new std::vector<BadAnswer>(OfOneCall());
    for (BadAnswer& answer : OfTheConnection()) all->push_back(std::move(answer));
    return all;
  }();
  return *kAll;
}

}  // namespace unwind

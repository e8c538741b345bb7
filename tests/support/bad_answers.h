// The bad answers of a participant, by name: what no gRPC library gives, and what becomes of the call.
#ifndef UNWIND_TESTS_SUPPORT_BAD_ANSWERS_H_
#define UNWIND_TESTS_SUPPORT_BAD_ANSWERS_H_

#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/support/raw_peer.h"

namespace unwind {

struct BadAnswer {
  std::string name;
  std::function<std::vector<RawPeer::Act>(std::uint32_t stream)> acts;
  int code = 0;             // google.rpc.Code of the call; 0: OK with bytes that are no message of the method
  std::string reason = {};  // of the call's failure, if the orchestrator gives it one
  bool ends_connection = false;
  absl::Duration timeout = absl::Seconds(20);  // of a call that is never answered: shorter

  bool is_refusal() const { return code == 9 || code == 12; }
};

inline void PrintTo(const BadAnswer& answer, std::ostream* out) { *out << answer.name; }

// An answer of `message`, a whole message with its prefix, and `trailers` beside the status.
std::vector<RawPeer::Act> AnswerOk(std::uint32_t stream, const std::string& message, h2::Fields trailers = {});
// An answer without a message.
std::vector<RawPeer::Act> AnswerWith(std::uint32_t stream, const h2::Fields& trailers);

// Those that spoil one call, then those that end the connection.
const std::vector<BadAnswer>& BadAnswers();

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_BAD_ANSWERS_H_

// Which of the calls to one participant goes out next, and when.
#ifndef UNWIND_ORCHESTRATOR_PARTICIPANTS_CALL_QUEUE_H_
#define UNWIND_ORCHESTRATOR_PARTICIPANTS_CALL_QUEUE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/time/time.h"
#include "orchestrator/engine/memory_budget.h"
#include "orchestrator/engine/participants.h"

namespace unwind {

// A call that was not sent yet.
struct Waiting {
  Call call;
  std::function<void(CallResult)> done;
  MemoryHold memory = {};
};

// No I/O, no clock; not thread-safe. Nothing is refused here, only kept waiting:
//   * Of one step at most one call waits. A newer one of any phase takes the older one out, whose answer nobody waits
//     for any more: a participant that does not fence must not see it after what undoes it.
//   * At most `out_max` calls are out, and an eighth of that room, if there is more than one place, is kept from
//     actions. Of the calls that go alone, each on a connection of its own, `kAloneMax` are out at once.
//   * Compensations and resolves go before actions, for going back frees what others wait for, and first attempts
//     before repeats.
//   * A repeat needs a token, and after a row of failures every call does. Answers earn them: a tenth for a first
//     attempt, two for a call that needed one; time earns some too. So repeats that fail are a tenth of all calls at
//     most and a few a second, one that is down is asked steadily, and one that comes back is soon at full speed. After
//     the retry throttling of gRPC (gRFC A6), which drops what it holds back. The lanes that need tokens take turns,
//     or the calls of one that always fail would take them all.
class CallQueue {
 public:
  static constexpr std::size_t kAloneMax = 8;

  struct Ticket {
    bool is_action = false;
    bool alone = false;
    bool needed_token = false;
  };
  enum class End : std::uint8_t {
    kAnswered,  // the participant answered, whatever it said
    kFailed,    // it is down, drowning or lost on the way
    kCut,       // the connection ended, which another call may have caused
  };
  struct Next {
    Waiting waiting;
    Ticket ticket;
  };

  explicit CallQueue(std::size_t out_max);

  // Returns the older call of the same step if that still waits.
  std::optional<Waiting> Push(Waiting waiting);

  // The call that goes out now, if one may.
  std::optional<Next> Pop(absl::Time now);

  // A call that went out is over.
  void OnDone(const Ticket& ticket, End end);

  // Whether every call needs a token, because so many in a row failed.
  bool is_held_back() const;
  std::size_t waiting() const { return places_.size(); }
  std::size_t out() const { return out_; }

  // When Pop must be called again though no call ends; InfiniteFuture: it need not.
  absl::Time AskAgainAt() const;

  // Empties it.
  std::vector<Waiting> TakeAll();

 private:
  // In the order in which they go.
  enum Lane : std::size_t { kBack, kBackAgain, kBackAlone, kActionAlone, kAction, kActionAgain, kLanes };

  struct Place {
    Lane lane;
    std::list<Waiting>::iterator it;
  };

  static Lane LaneOf(const Call& call);
  static bool IsAction(Lane lane) { return lane >= kActionAlone; }
  static bool IsAlone(Lane lane) { return lane == kBackAlone || lane == kActionAlone; }
  bool NeedsToken(Lane lane) const;
  bool HasRoom(Lane lane) const;
  Lane NextForToken() const;

  const std::size_t out_max_;
  const std::size_t actions_max_;
  std::size_t out_ = 0;
  std::size_t actions_out_ = 0;
  std::size_t alone_out_ = 0;
  std::size_t failures_ = 0;  // in a row
  double tokens_;
  absl::Time filled_at_ = absl::InfinitePast();
  std::array<std::list<Waiting>, kLanes> lanes_;
  std::array<std::uint64_t, kLanes> turns_ = {};  // when each lane took a token last, counted in tokens
  std::uint64_t turn_ = 0;
  std::unordered_map<std::string, Place> places_;  // of the calls that wait, by step
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_PARTICIPANTS_CALL_QUEUE_H_

// What the gateway says outside of calls, and what it is asked outside of them: webhooks are taken, open attempts and
// keys that it has not said its last word of are inquired, late captures are paid back. All of it stands in rows, so
// that whatever is lost, a webhook or this process, is asked for again.
#ifndef UNWIND_PAYMENT_SVC_SETTLER_H_
#define UNWIND_PAYMENT_SVC_SETTLER_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "common/base/batch_writer.h"
#include "common/base/clock.h"
#include "common/base/repeat.h"
#include "common/db/connection.h"
#include "common/rpc/unary.h"
#include "payment_svc/collect.h"
#include "payment_svc/gateway_client.h"
#include "payment_svc/webhook_event.h"

namespace unwind::payment {

// Thread-safe.
class Settler {
 public:
  static constexpr absl::Duration kSweepPause = absl::Seconds(1);
  static constexpr int kSweepMax = 100;   // of each kind, in one sweep
  static constexpr int kPurgeMax = 1000;  // events that one sweep forgets: more than come meanwhile
  static constexpr std::size_t kBatchMax = 256;
  static constexpr std::size_t kQueueMax = 4096;
  static constexpr absl::Duration kEventAgeMax = absl::Hours(24 * 30);  // then its id is forgotten

  // The connection is to the payments' database. The gateway must have answered every call when this is destroyed.
  Settler(std::unique_ptr<Connection> connection, Gateway& gateway, GatewayBooks& books, const Clock& clock,
          Settled settled, absl::Duration sweep_pause = kSweepPause);
  ~Settler();

  // An event that is proved to be the gateway's. `done` gets OK once all that follows from it is committed.
  void Receive(WebhookEvent event, unwind::Done done);

  // What the gateway was heard to say of a key.
  void Hear(const std::string& key, const GatewayAnswer& word);

  // Handles what is queued, then stops. Idempotent.
  void Stop();

 private:
  // One word of the gateway, on its way to the rows.
  struct Said {
    WebhookEvent event;                        // without an id: heard otherwise
    bool is_kept = false;                      // the event was taken before its key was known
    std::optional<Return> due = std::nullopt;  // the word answers this return's Cancel
    unwind::Done done = nullptr;               // may be empty
    bool is_repeat = false;                    // out: the event was taken before
    Finding finding = {};                      // out
    std::string settled = {};                  // out: who waits for the payment that is settled by it
  };
  struct Sweep {};
  using Job = std::variant<Said, Sweep>;

  void Handle(std::vector<Job> jobs);
  void Settle(absl::Span<Said> said);
  absl::Status Commit(absl::Span<Said> said);
  absl::Status Write(soci::session& session, absl::Span<Said> said);
  void Tell(Said& said, const absl::Status& committed);
  static const char* SourceOf(const Said& said);
  void HandleSweep();

  const std::unique_ptr<Connection> connection_;  // the writer's thread only
  Gateway& gateway_;
  GatewayBooks& books_;
  const Clock& clock_;
  const Settled settled_;
  BatchWriter<Job> writer_;  // its thread runs on what is above
  Repeat sweeping_;          // last: its thread runs on all of it
};

}  // namespace unwind::payment

#endif  // UNWIND_PAYMENT_SVC_SETTLER_H_

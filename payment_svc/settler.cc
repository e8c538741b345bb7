#include "payment_svc/settler.h"

#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/crash_point.h"
#include "common/base/log.h"
#include "common/rpc/error.h"
#include "payment_svc/collect_store.h"
#include "payment_svc/inbox_store.h"
#include "payment_svc/payment_series.h"
#include "payment_svc/reconcile_store.h"
#include "payment_svc/row_set.h"

namespace unwind::payment {
namespace {

constexpr absl::Duration kRetryAfter = absl::Milliseconds(200);

absl::Status Overloaded() {
  return WithRetryAfter(
      Error(absl::StatusCode::kResourceExhausted, "too many events wait; send it again", "OVERLOADED", {}),
      kRetryAfter);
}

absl::Status NotStored() {
  return WithRetryAfter(
      Error(absl::StatusCode::kUnavailable, "the store did not take the event; send it again", "STORE_UNAVAILABLE", {}),
      kRetryAfter);
}

absl::Status Mismatched(const WebhookEvent& event) {
  return Error(absl::StatusCode::kInvalidArgument,
               "the event's amount, currency or transaction is not that of its key; nothing was changed",
               "EVENT_MISMATCH", {{"event_id", event.event_id}});
}

WebhookResult ResultOf(Finding::Kind kind) {
  switch (kind) {
    case Finding::Kind::kKnown:
      return WebhookResult::kKnown;
    case Finding::Kind::kNews:
      return WebhookResult::kNews;
    case Finding::Kind::kNoSuchKey:
      return WebhookResult::kKept;
    case Finding::Kind::kMismatch:
      return WebhookResult::kMismatch;
  }
  return WebhookResult::kMismatch;
}

// The answer to a Cancel; one to a try before the last tells nothing.
Finding HearReturnOf(PaymentRows& rows, const Return& asked, const GatewayAnswer& word, absl::Time now) {
  for (Return& due : rows.returns) {
    if (due.key == asked.key && due.tries == asked.tries) return HearReturn(due, word, now);
  }
  return {};
}

}  // namespace

Settler::Settler(std::unique_ptr<Connection> connection, Gateway& gateway, GatewayBooks& books, const Clock& clock,
                 Settled settled, absl::Duration sweep_pause)
    : connection_(std::move(connection)),
      gateway_(gateway),
      books_(books),
      clock_(clock),
      settled_(std::move(settled)),
      writer_(kBatchMax, kQueueMax, [this](std::vector<Job> jobs) { Handle(std::move(jobs)); }),
      sweeping_(sweep_pause, [this, sweep_pause] {
        writer_.Push(Sweep{});
        return sweep_pause;
      }) {
  PaymentSeries::Get();  // so that all is there to be scraped
}

Settler::~Settler() { Stop(); }

void Settler::Receive(WebhookEvent event, unwind::Done done) {
  Job job = Said{.event = std::move(event), .done = std::move(done)};
  if (!writer_.Push(std::move(job))) std::move(std::get<Said>(job).done)(Overloaded());
}

void Settler::Hear(const std::string& key, const GatewayAnswer& word) {
  writer_.Push(Said{.event = {.event_id = "", .key = key, .word = word, .body = ""}});
}

void Settler::Stop() {
  sweeping_.Stop();
  writer_.Stop();
}

void Settler::Handle(std::vector<Job> jobs) {
  std::vector<Said> said;
  bool sweeps = false;
  for (Job& job : jobs) {
    if (auto* const word = std::get_if<Said>(&job)) {
      said.push_back(std::move(*word));
    } else {
      sweeps = true;
    }
  }
  if (!said.empty()) Settle(absl::MakeSpan(said));
  if (sweeps) HandleSweep();
}

// All in one transaction; if that fails, each in one of its own, so that one bad word fails alone. A database that
// cannot be written now would fail all of them.
void Settler::Settle(absl::Span<Said> said) {
  const absl::Status status = Commit(said);
  if (!status.ok() && !absl::IsUnavailable(status) && said.size() > 1) {
    for (Said& word : said) Settle({&word, 1});
    return;
  }
  if (!status.ok()) {
    Log(Severity::kError, "words of the payment gateway were not stored",
        {{"error", status.ToString()}, {"words", absl::StrCat(said.size())}});
  }
  if (status.ok()) {
    for (const Said& word : said) CRASH_POINT("settler.after_commit", SourceOf(word));
  }
  for (Said& word : said) Tell(word, status);
}

// Where a word comes from, for crash points.
const char* Settler::SourceOf(const Said& said) {
  if (said.due) return "return";
  if (said.event.event_id.empty()) return "inquiry";
  return said.is_repeat ? "repeat" : "webhook";
}

absl::Status Settler::Commit(absl::Span<Said> said) {
  return RetryOnConflict([&] {
    return connection_->Write([&](soci::session& session) {
      absl::Status status = Write(session, said);
      return absl::IsAborted(status) ? AsConflict(std::move(status)) : status;
    });
  });
}

absl::Status Settler::Write(soci::session& session, absl::Span<Said> said) {
  const absl::Time now = clock_.Now();
  RowSet rows(session);
  std::vector<std::string> event_ids, transactions;
  for (const Said& word : said) {
    if (const std::string id = PaymentIdOf(word.event.key); !id.empty()) rows.Want(id, RowSet::Depth::kAll);
    if (!word.event.event_id.empty() && !word.is_kept) event_ids.push_back(word.event.event_id);
    if (word.event.word.kind == GatewayAnswer::Kind::kMoved) transactions.push_back(word.event.word.transaction_id);
  }
  rows.Load();
  std::set<std::string> known = KnownEvents(session, event_ids);
  std::map<std::string, std::string> keys = KeysOf(session, transactions);
  const auto hear = [&](Said& word) -> Finding {
    const std::string& key = word.event.key;
    const GatewayAnswer& answer = word.event.word;
    const std::string id = PaymentIdOf(key);
    if (id.empty()) return {Finding::Kind::kNoSuchKey, ""};
    if (word.due) return HearReturnOf(rows.Of(id), *word.due, answer, now);
    if (!answer.contradiction.empty()) return {Finding::Kind::kMismatch, answer.contradiction};
    if (answer.kind == GatewayAnswer::Kind::kMoved) {
      const std::string& taken_by = keys.try_emplace(answer.transaction_id, key).first->second;
      if (taken_by != key) {
        return {Finding::Kind::kMismatch, absl::StrCat("of key ", key, " the gateway says transaction ",
                                                       answer.transaction_id, ", which is that of ", taken_by)};
      }
    }
    PaymentRows& heard = rows.Of(id);
    const bool was_settled = IsSettled(heard);
    Finding finding = payment::Hear(heard, key, answer, now);
    if (!was_settled && IsSettled(heard)) word.settled = heard.payment->owner;
    return finding;
  };
  std::vector<InboxEvent> taken;
  std::vector<std::string> let_go;
  for (Said& word : said) {
    const std::string& event_id = word.event.event_id;
    word.is_repeat = !event_id.empty() && !word.is_kept && known.count(event_id) > 0;
    word.settled.clear();
    word.finding = word.is_repeat ? Finding() : hear(word);
    if (word.is_kept) let_go.push_back(event_id);
    if (event_id.empty() || word.is_kept || word.is_repeat || word.finding.kind == Finding::Kind::kMismatch) continue;
    known.insert(event_id);
    // One that may come yet. Others of the gateway's account, such as refunds, would be looked at by every sweep.
    const bool keeps = word.finding.kind == Finding::Kind::kNoSuchKey && !PaymentIdOf(word.event.key).empty();
    taken.push_back({event_id, word.event.key, keeps ? word.event.body : ""});
  }
  LetGoEvents(session, let_go);
  if (rows.Save() && InsertEvents(session, taken, now)) {
    for (const Said& word : said) CRASH_POINT("settler.in_commit", SourceOf(word));
    return absl::OkStatus();
  }
  return absl::AbortedError("another process has written the same rows");
}

void Settler::Tell(Said& said, const absl::Status& committed) {
  const Finding& finding = said.finding;
  if (committed.ok()) {
    if (finding.is_late) PaymentSeries::Get().late_captures.Increment();
    if (!finding.alarm.empty()) {
      Log(Severity::kError, "the payment gateway contradicts what was asked or what it said before",
          {{"finding", finding.alarm}});
    }
    if (!said.event.event_id.empty()) PaymentSeries::Get().webhooks.at(ResultOf(finding.kind))->Increment();
    if (!said.settled.empty()) settled_(said.settled);
  }
  if (said.done == nullptr) return;
  if (!committed.ok()) return std::move(said.done)(NotStored());
  std::move(said.done)(finding.kind == Finding::Kind::kMismatch ? Mismatched(said.event) : absl::OkStatus());
}

// Asks for what is due. The rows say when it is due again, so that nothing depends on the answers.
void Settler::HandleSweep() {
  std::vector<std::string> keys;
  std::vector<Return> returns;
  std::vector<InboxEvent> kept;
  std::int64_t returns_due = 0, pending = 0;
  Reconciliation last;
  const absl::Status status = RetryOnConflict([&] {
    return connection_->Write([&](soci::session& session) {
      const absl::Time now = clock_.Now();
      keys = TakeInquiries(session, now, kSweepMax);
      returns = TakeReturns(session, now, kSweepMax);
      kept = KeptEventsKnown(session, kSweepMax);
      PurgeEvents(session, now - kEventAgeMax, kPurgeMax);
      returns_due = CountReturnsDue(session);
      pending = CountOpenPayments(session);
      last = LastReconciliation(session);
      return absl::OkStatus();
    });
  });
  if (!status.ok()) return Log(Severity::kWarning, "nothing was swept", {{"error", status.ToString()}});
  PaymentSeries::Get().pending.Set(static_cast<double>(pending));
  PaymentSeries::Get().returns_due.Set(static_cast<double>(returns_due));
  PaymentSeries::Get().differences.Set(static_cast<double>(last.differences));
  PaymentSeries::Get().reconciled.Set(absl::ToDoubleSeconds(last.end - absl::UnixEpoch()));
  if (!keys.empty()) CRASH_POINT("settler.after_sweep", "inquiry");
  if (!returns.empty()) CRASH_POINT("settler.after_sweep", "return");
  for (const std::string& key : keys) {
    books_.Inquire({.key = key, .trace = {}}, [this, key](const GatewayAnswer& answer) { Hear(key, answer); });
  }
  for (const Return& due : returns) {
    gateway_.Cancel({.key = ReturnKey(due), .trace = {}}, due.captured, 0, [this, due](const GatewayAnswer& answer) {
      writer_.Push(Said{.event = {.event_id = "", .key = due.key, .word = answer, .body = ""}, .due = due});
    });
  }
  for (const InboxEvent& event : kept) {
    if (absl::StatusOr<WebhookEvent> read = ReadWebhookEvent(event.body); read.ok()) {
      writer_.Push(Said{.event = *std::move(read), .is_kept = true});
    }
  }
}

}  // namespace unwind::payment

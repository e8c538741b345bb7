#include "tests/sim/network.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "absl/strings/str_cat.h"
#include "common/rpc/error.h"

namespace unwind::sim {
namespace {

constexpr int kCopiesReplayed = 2;
constexpr absl::Duration kComesAgainMax = absl::Minutes(1);
constexpr absl::Duration kRefusedAfter = absl::Milliseconds(1);  // there is no process at the address

}  // namespace

const char* NameOf(Node node) {
  constexpr std::array<const char*, kNodes> names = {"buyers",     "orchestrator-a", "orchestrator-b", "order_svc",
                                                     "stock_svc",  "payment_svc",    "depot",          "coupon_svc",
                                                     "wallet_svc", "mock_pg"};
  return names[static_cast<std::size_t>(node)];
}

absl::string_view Request::Metadata(absl::string_view name) const {
  for (const auto& [key, value] : metadata) {
    if (key == name) return value;
  }
  return "";
}

std::string Request::Text() const {
  const std::string name = method.substr(method.rfind('/') + 1);
  const absl::string_view saga = Metadata("saga-id");
  if (saga.empty()) return name;
  return absl::StrCat(name, " (saga ..", saga.substr(saga.size() - std::min<std::size_t>(saga.size(), 6)), " ",
                      Metadata("saga-phase"), " ", Metadata("saga-attempt"), ")");
}

std::string Reply::Text() const {
  if (status.ok()) return pending ? "PENDING" : "OK";
  const std::string reason = GetErrorInfo(status).reason;
  return absl::StrCat(absl::StatusCodeToString(status.code()), reason.empty() ? "" : " ", reason);
}

Network::Network(World& world, Faults& faults)
    : world_(world), faults_(faults), latency_(world.dice().Spread(absl::Microseconds(200), absl::Milliseconds(30))) {
  last_arrival_.fill(world.now());
}

void Network::Close(const std::shared_ptr<Open>& open, Reply reply) {
  if (open == nullptr || open->done == nullptr) return;
  const Respond done = std::move(open->done);
  open->done = nullptr;
  done(std::move(reply));
}

void Network::Call(Node from, Node to, Request request, Respond done) {
  ++faults_.tally().messages;
  auto open = std::make_shared<Open>(Open{std::move(done)});
  const Sent sent{from, to, std::make_shared<const Request>(std::move(request))};
  if (witness_ != nullptr) witness_->Sent(from, to, *sent.request);
  old_.push_back(sent);
  world_.In(sent.request->timeout, [this, open] {
    if (open->done == nullptr) return;
    faults_.tally().Count(Outcome::kTimeout);
    Close(open, {absl::DeadlineExceededError("no answer in time"), "", false});
  });
  const std::size_t link = Link(from, to);
  std::erase_if(carried_[link], [](const std::weak_ptr<Open>& call) { return call.expired(); });
  carried_[link].push_back(open);
  if (faults_.Strikes(Fault::kConnectionEnds, 0.1)) {
    world_.In(world_.dice().Between(absl::ZeroDuration(), 4 * latency_), [this, link] { EndConnection(link); });
  }
  if (faults_.Strikes(Fault::kComesAgain, 0.2)) {
    ++under_way_;  // no world is at rest before: a buyer's who was never answered begins a saga
    world_.In(world_.dice().Spread(absl::Seconds(1), kComesAgainMax), [this, sent] {
      --under_way_;
      world_.Tell("network", "delivers once more what ", NameOf(sent.from), " sent");
      Carry(sent.from, sent.to, world_.tells() ? sent.request->Text() : "", [this, sent] { Deliver(sent, nullptr); });
    });
  }
  const int copies = faults_.Strikes(Fault::kDuplicate, 0.5) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    Carry(from, to, world_.tells() ? sent.request->Text() : "", [this, sent, open] { Deliver(sent, open); });
  }
}

// What was sent over it may be served all the same.
void Network::EndConnection(std::size_t link) {
  world_.Tell("network", "ends the connection from ", NameOf(static_cast<Node>(link / kNodes)), " to ",
              NameOf(static_cast<Node>(link % kNodes)));
  for (const std::weak_ptr<Open>& call : std::exchange(carried_[link], {})) {
    Close(call.lock(), {absl::UnavailableError("the connection ended"), "", false, /*cut=*/true});
  }
}

void Network::Deliver(const Sent& sent, const std::shared_ptr<Open>& open) {
  Server* const server = servers_[static_cast<std::size_t>(sent.to)];
  world_.Mix(sent.request->bytes);
  if (server == nullptr || !server->up()) {
    world_.Tell(NameOf(sent.from), "finds nobody at ", NameOf(sent.to));
    world_.In(kRefusedAfter, [open] { Close(open, {absl::UnavailableError("connection refused"), "", false}); });
    return;
  }
  world_.Tell(NameOf(sent.to), "gets ", world_.tells() ? sent.request->Text() : "");
  server->Serve(*sent.request, [this, sent, open](Reply reply) {
    if (witness_ != nullptr) witness_->Answered(sent.to, *sent.request, reply);
    const std::string text = world_.tells() ? absl::StrCat(reply.Text(), " to ", sent.request->Text()) : "";
    world_.Mix(reply.bytes);
    world_.Mix(static_cast<std::int64_t>(reply.status.code()));
    world_.Tell(NameOf(sent.to), "answers ", text);
    if (open == nullptr) return;
    Carry(sent.to, sent.from, text, [open, reply = std::move(reply)] { Close(open, reply); });
  });
}

void Network::Carry(Node from, Node to, const std::string& what, std::function<void()> arrive) {
  const std::size_t link = Link(from, to);
  if (cut_[link] || faults_.Strikes(Fault::kLoss, 0.4)) {
    world_.Tell("network", "loses ", what, " from ", NameOf(from), " to ", NameOf(to));
    return;
  }
  absl::Duration delay = latency_ * -std::log1p(-world_.dice().Unit()) + absl::Microseconds(50);
  if (faults_.Strikes(Fault::kLongDelay, 0.2)) {
    delay += world_.dice().Spread(absl::Milliseconds(300), absl::Minutes(2));
    world_.Tell("network", "delays ", what, " by ", absl::FormatDuration(delay));
  }
  absl::Time arrival = world_.now() + absl::Trunc(delay, absl::Microseconds(1));
  if (arrival < last_arrival_[link]) {
    if (faults_.on(Fault::kReorder)) {
      faults_.Count(Fault::kReorder);
    } else if (delay < absl::Milliseconds(250)) {
      arrival = last_arrival_[link];
    }
  }
  if (delay < absl::Milliseconds(250)) last_arrival_[link] = std::max(last_arrival_[link], arrival);
  ++under_way_;
  world_.At(arrival, [this, arrive = std::move(arrive)] {
    --under_way_;
    arrive();
  });
}

void Network::ReplayAll(absl::Duration within, const std::function<bool(const Request&)>& wanted) {
  for (std::size_t i = old_.size(); i > 1; --i) {
    std::swap(old_[i - 1], old_[world_.dice().Next() % i]);
  }
  std::map<std::string, int> copies;  // a buyer's call that was repeated for minutes is one message all the same
  for (const Sent& sent : old_) {
    const bool is_step = !sent.request->Metadata("saga-id").empty();
    if (!is_step && ++copies[absl::StrCat(sent.request->method, sent.request->bytes)] > kCopiesReplayed) continue;
    if (!wanted(*sent.request)) continue;
    ++faults_.tally().replayed;
    ++under_way_;
    world_.In(world_.dice().Between(absl::ZeroDuration(), within), [this, sent] {
      --under_way_;
      Deliver(sent, nullptr);
    });
  }
  old_.clear();
}

}  // namespace unwind::sim

#include "tests/crash/stage.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/crash_point.h"
#include "common/base/status_macros.h"
#include "tests/support/audit.h"
#include "tests/support/poll.h"
#include "tests/support/short_waits.h"

namespace unwind {
namespace {

constexpr int kTriesMax = 3;  // of a place that may be passed by: two answers in one turn are one commit
constexpr int kCrowdMin = 3;
constexpr int kCrowdMax = 8;
constexpr int kSmallCrowdMax = 4;  // of clients that need much beforehand
constexpr absl::Duration kPatience = kClientPatience;
constexpr absl::Duration kPoll = absl::Seconds(10);  // what waits so long rests in its row, until it is nudged or due
constexpr absl::Duration kDyingPatience = absl::Seconds(1);  // between an answer and the death behind it
// What follows an order, a webhook that is sent again, and what the gateway takes after all is over come later.
constexpr absl::Duration kLateDyingPatience = absl::Seconds(8);

std::vector<std::string> LinesOf(const std::string& path) {
  return absl::StrSplit(ContentsOf(path), '\n', absl::SkipWhitespace());
}

template <typename... Parts>
absl::Status Wrong(const Parts&... parts) {
  return absl::FailedPreconditionError(absl::StrCat(parts...));
}

// payment_svc pays back what the gateway took late.
bool GoesOnAfterItsSagas(Tale tale) { return tale == Tale::kCheckoutLate; }

absl::Duration DyingPatienceOf(Tale tale) { return IsPlain(FactsOf(tale)) ? kDyingPatience : kLateDyingPatience; }

}  // namespace

Patience PatienceOf(Tale tale) { return tale == Tale::kCheckoutExpired ? Patience::kShort : Patience::kLong; }

absl::StatusOr<std::unique_ptr<CrashStage>> CrashStage::Start(ClusterOptions options, Patience patience) {
  std::unique_ptr<CrashStage> stage(new CrashStage);
  const std::string definitions = stage->folder_.File("sagas");
  const absl::Duration wait = patience == Patience::kShort ? absl::Seconds(1) : absl::Minutes(10);
  RETURN_IF_ERROR(WriteWithWaits(options.definitions, definitions, {.poll = kPoll, .cap = kPoll, .patience = wait}));
  options.definitions = definitions;
  options.webhooks = true;
  options.environment = stage->plan_.environment();
  options.extra_flags[Node::kPayment] = {"--pg_timeout=300ms"};
  ASSIGN_OR_RETURN(stage->cluster_, Cluster::Start(std::move(options)));
  stage->shop_ = std::make_unique<Shop>(*stage->cluster_);
  RETURN_IF_ERROR(OpenShop(*stage->shop_));
  return stage;
}

CaseResult CrashStage::Play(const CrashCase& which) {
  CaseResult result;
  for (int i = 0; i < kTriesMax && !result.reached && result.wrong.empty(); ++i) {
    Clients clients;
    clients.push_back(MakeClient(which.tale, *shop_, 1));
    result = PlayOnce(which, clients, 1);
  }
  return result;
}

CaseResult CrashStage::PlayInCrowd(const CrashCase& which, std::mt19937_64& random) {
  const auto draw = [&random](int least, int most) { return std::uniform_int_distribution<int>(least, most)(random); };
  CaseResult result;
  for (int i = 0; i < kTriesMax && !result.reached && result.wrong.empty(); ++i) {
    const int of_the_tale = draw(kCrowdMin, IsPlain(FactsOf(which.tale)) ? kCrowdMax : kSmallCrowdMax);
    const int others = MixesWithOthers(which.tale) ? draw(0, kCrowdMax) : 0;
    Clients crowd;
    for (int n = 0; n < of_the_tale; ++n) crowd.push_back(MakeClient(which.tale, *shop_, draw(1, 5)));
    for (int n = 0; n < others; ++n) {
      crowd.push_back(MakeClient(draw(0, 1) == 0 ? Tale::kDeclined : Tale::kPaid, *shop_, draw(1, 5)));
    }
    std::shuffle(crowd.begin(), crowd.end(), random);
    result = PlayOnce(which, crowd, draw(1, i == 0 ? of_the_tale : 1));
  }
  return result;
}

CaseResult CrashStage::PlayOnce(const CrashCase& which, const Clients& clients, int nth) {
  CaseResult result;
  const absl::Time start = absl::Now();
  absl::Status status = Prepare(which.tale, clients);
  if (status.ok()) status = Run(which, clients, nth, result);
  Arm({}, 1);
  Acts none = {{}};
  status.Update(Bury(none, result.deaths));
  for (const std::unique_ptr<Client>& client : clients) {
    if (status.ok()) status = client->Check(clients.size() == 1 ? which.end : End::kEither);
    result.done += client->IsDone() ? 1 : 0;
  }
  if (status.ok()) status = CheckRest(which.tale);
  if (!status.ok()) result.wrong = std::string(status.message());
  result.clients = static_cast<int>(clients.size());
  result.took = absl::Now() - start;
  return result;
}

absl::Status CrashStage::Prepare(Tale tale, const Clients& clients) {
  RETURN_IF_ERROR(shop_->SetScenario({}));
  for (const std::unique_ptr<Client>& client : clients) RETURN_IF_ERROR(client->Prepare());
  scenario_ = ScenarioOf(tale, static_cast<int>(clients.size()));
  return shop_->SetScenario(scenario_);
}

// Until every caller has an answer and every process has died where it should, or is not going to.
absl::Status CrashStage::Run(const CrashCase& which, const Clients& clients, int nth, CaseResult& result) {
  Acts left(which.acts.begin(), which.acts.end());
  Arm(left.front(), nth);
  absl::Status status;
  absl::Time over_at = absl::InfiniteFuture();
  const bool over = Eventually(kPatience, [&] {
    status = Bury(left, result.deaths);
    if (!status.ok()) return true;
    bool all_over = true;
    for (const std::unique_ptr<Client>& client : clients) all_over = client->GoOn() && all_over;
    if (all_over) over_at = std::min(over_at, absl::Now());
    return all_over && (left.front().empty() || absl::Now() > over_at + DyingPatienceOf(which.tale));
  });
  RETURN_IF_ERROR(status);
  if (!over) return NoAnswer(clients);
  result.reached = left.front().empty();
  return absl::OkStatus();
}

absl::Status CrashStage::NoAnswer(const Clients& clients) {
  std::vector<std::string> who;
  for (const std::unique_ptr<Client>& client : clients) {
    if (!client->GoOn()) who.push_back(client->ToText());
  }
  return Wrong("without an answer after ", absl::FormatDuration(kPatience), ": ", absl::StrJoin(who, ", "));
}

void CrashStage::Arm(const std::vector<std::string>& places, int nth) {
  const std::string count = nth == 1 ? "" : absl::StrCat("#", nth);
  std::string text;
  for (const std::string& place : places) absl::StrAppend(&text, place, count, "\n");
  plan_.Arm(text);
}

// Takes the places that were died at out of the current act, the first of `acts`, arms the next one after its last,
// and only then starts the dead again: they may pass the next place before they are healthy.
absl::Status CrashStage::Bury(Acts& acts, int& deaths) {
  std::vector<Node> dead;
  for (const Node node : kNodes) {
    if (!cluster_->Running(node)) dead.push_back(node);
  }
  if (dead.empty()) return absl::OkStatus();
  for (const Node node : dead) {
    if (const int status = cluster_->ExitStatus(node); status != kCrashExit) {
      return Wrong(NodeName(node), " ended with status ", status, " and not at a crash point");
    }
  }
  const std::vector<std::string> lines = LinesOf(plan_.log_path());
  deaths += static_cast<int>(lines.size() - log_read_);
  for (; log_read_ < lines.size(); ++log_read_) {
    std::erase(acts.front(), lines[log_read_]);
  }
  if (acts.front().empty() && acts.size() > 1) acts.pop_front();
  Arm(acts.front(), 1);
  for (const Node node : dead) {
    // It may die again before it is healthy, which the next look finds.
    absl::Status status = cluster_->Restart(node);
    if (node == Node::kGateway && status.ok()) status = shop_->SetScenario(scenario_);
    if (!status.ok() && cluster_->Running(node)) return status;
  }
  return absl::OkStatus();
}

absl::Status CrashStage::CheckRest(Tale tale) {
  if (!Eventually(kPatience, [&] { return shop_->Unfinished().value_or(1) == 0; })) return Wrong("sagas go on");
  absl::StatusOr<AuditReport> report;
  const auto holds = [&] {
    report = Audit(*cluster_);
    return !report.ok() || report->holds();
  };
  Eventually(GoesOnAfterItsSagas(tale) ? kPatience : absl::ZeroDuration(), holds);
  RETURN_IF_ERROR(report.status());
  return report->holds() ? absl::OkStatus() : Wrong("the audit finds:\n", ToText(*report));
}

}  // namespace unwind

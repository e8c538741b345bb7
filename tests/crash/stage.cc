#include "tests/crash/stage.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/crash_point.h"
#include "common/base/status_macros.h"
#include "tests/support/audit.h"
#include "tests/support/poll.h"

namespace unwind {
namespace {

using SagaProto = saga::v1::Saga;

constexpr char kCheap[] = "lamp";
constexpr std::int64_t kCheapPrice = 1000;
constexpr char kDear[] = "piano";  // every card is declined at its price
constexpr std::int64_t kDearPrice = 1000000;
constexpr std::int64_t kPieces = 1000000;
constexpr int kTriesMax = 3;  // of a place that may be passed by: two answers in one turn are one commit
constexpr int kCrowdMin = 3;
constexpr int kCrowdMax = 8;
constexpr absl::Duration kPatience = absl::Seconds(60);
constexpr absl::Duration kDyingPatience = absl::Seconds(1);  // between an answer and the death behind it

std::vector<std::string> LinesOf(const std::string& path) {
  return absl::StrSplit(ContentsOf(path), '\n', absl::SkipWhitespace());
}

template <typename... Parts>
absl::Status Wrong(const Parts&... parts) {
  return absl::FailedPreconditionError(absl::StrCat(parts...));
}

}  // namespace

// One order, and its buyer who calls again under one key until there is an answer.
struct CrashStage::Buyer {
  shop::checkout::v1::PlaceOrderRequest request;
  std::unique_ptr<Placing> call;
  int calls = 0;
  bool told = false;
  grpc::Status answer;
  std::string order_id;  // of the answer
};

absl::StatusOr<std::unique_ptr<CrashStage>> CrashStage::Start(ClusterOptions options) {
  std::unique_ptr<CrashStage> stage(new CrashStage);
  options.environment = stage->plan_.environment();
  options.extra_flags[Node::kGateway] = {absl::StrCat("--refuse_amount_minor=", kDearPrice)};
  options.extra_flags[Node::kPayment] = {"--pg_timeout=300ms"};
  ASSIGN_OR_RETURN(stage->cluster_, Cluster::Start(std::move(options)));
  stage->shop_ = std::make_unique<Shop>(*stage->cluster_);
  RETURN_IF_ERROR(stage->shop_->Restock(kCheap, kPieces, kCheapPrice));
  RETURN_IF_ERROR(stage->shop_->Restock(kDear, kPieces, kDearPrice));
  return stage;
}

CaseResult CrashStage::Play(const CrashCase& which) {
  CaseResult result;
  for (int i = 0; i < kTriesMax && !result.reached && result.wrong.empty(); ++i) {
    Buyer buyer;
    buyer.request = Shop::Order("mina", which.tale == Tale::kDeclined ? kDear : kCheap);
    result = PlayOnce(which, {&buyer}, 1);
  }
  return result;
}

CaseResult CrashStage::PlayInCrowd(const CrashCase& which, std::mt19937_64& random) {
  const auto draw = [&random](int least, int most) { return std::uniform_int_distribution<int>(least, most)(random); };
  CaseResult result;
  for (int i = 0; i < kTriesMax && !result.reached && result.wrong.empty(); ++i) {
    const int of_the_tale = draw(kCrowdMin, kCrowdMax);
    const int others = which.tale == Tale::kUnanswered ? 0 : draw(0, kCrowdMax);
    std::vector<Buyer> crowd(static_cast<std::size_t>(of_the_tale + others));
    for (std::size_t n = 0; n < crowd.size(); ++n) {
      const bool told = n < static_cast<std::size_t>(of_the_tale);
      const bool dear = told ? which.tale == Tale::kDeclined : draw(0, 1) == 0;
      crowd[n].request = Shop::Order(absl::StrCat("member-", n), dear ? kDear : kCheap, draw(1, 5));
    }
    std::shuffle(crowd.begin(), crowd.end(), random);
    std::vector<Buyer*> buyers;
    for (Buyer& buyer : crowd) buyers.push_back(&buyer);
    result = PlayOnce(which, buyers, draw(1, i == 0 ? of_the_tale : 1));
  }
  return result;
}

CaseResult CrashStage::PlayOnce(const CrashCase& which, const std::vector<Buyer*>& buyers, int nth) {
  CaseResult result;
  const absl::Time start = absl::Now();
  absl::Status status = Run(which, buyers, nth, result);
  Arm({}, 1);
  Acts none = {{}};
  status.Update(Bury(none, result.deaths));
  for (Buyer* buyer : buyers) {
    if (status.ok()) status = CheckEnd(*buyer, buyers.size() == 1 ? which.end : End::kEither);
    result.paid += buyer->answer.ok() && buyer->told ? 1 : 0;
  }
  if (status.ok()) status = CheckRest();
  if (!status.ok()) result.wrong = std::string(status.message());
  result.orders = static_cast<int>(buyers.size());
  result.took = absl::Now() - start;
  return result;
}

// Until every buyer has an answer and every process has died where it should, or is not going to.
absl::Status CrashStage::Run(const CrashCase& which, const std::vector<Buyer*>& buyers, int nth, CaseResult& result) {
  RETURN_IF_ERROR(SetTale(which.tale, static_cast<int>(buyers.size())));
  Acts left(which.acts.begin(), which.acts.end());
  Arm(left.front(), nth);
  absl::Status status;
  absl::Time answered_at = absl::InfiniteFuture();
  const bool over = Eventually(kPatience, [&] {
    status = Bury(left, result.deaths);
    if (!status.ok()) return true;
    bool told = true;
    for (Buyer* buyer : buyers) told = Answered(*buyer) && told;
    if (told) answered_at = std::min(answered_at, absl::Now());
    return told && (left.front().empty() || absl::Now() > answered_at + kDyingPatience);
  });
  RETURN_IF_ERROR(status);
  if (!over) return NoAnswer(buyers);
  result.reached = left.front().empty();
  return absl::OkStatus();
}

absl::Status CrashStage::NoAnswer(const std::vector<Buyer*>& buyers) {
  std::vector<std::string> who;
  for (const Buyer* buyer : buyers) {
    if (buyer->told) continue;
    const std::string saga_id = buyer->call == nullptr ? "" : buyer->call->SagaId(absl::ZeroDuration());
    who.push_back(absl::StrCat(buyer->request.request_id(), " (call ", buyer->calls, ", accepted as ",
                               saga_id.empty() ? "nothing" : saga_id, ")"));
  }
  return Wrong("without an answer after ", absl::FormatDuration(kPatience), ": ", absl::StrJoin(who, ", "));
}

absl::Status CrashStage::SetTale(Tale tale, int orders) {
  pg::v1::Scenario scenario;
  scenario.set_refuse_amount_minor(kDearPrice);
  if (tale == Tale::kUnanswered) scenario.set_hang_first(orders);
  return shop_->SetScenario(scenario);
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
    const absl::Status status = cluster_->Restart(node);
    if (!status.ok() && cluster_->Running(node)) return status;
  }
  return absl::OkStatus();
}

// Places the order, or insists on it. True once it has an answer that says what became of it.
bool CrashStage::Answered(Buyer& buyer) {
  if (buyer.told) return true;
  if (buyer.call == nullptr) {
    buyer.call = shop_->Begin(buyer.request, kPatience);
    ++buyer.calls;
  }
  if (!buyer.call->IsOver()) return false;
  buyer.answer = buyer.call->Wait();
  buyer.order_id = buyer.call->response().order_id();
  buyer.call.reset();
  buyer.told = !AskAgain(buyer.answer);
  return buyer.told;
}

absl::Status CrashStage::CheckEnd(Buyer& buyer, End end) {
  const bool paid = buyer.answer.ok();
  if (end != End::kEither && paid != (end == End::kPaid)) {
    return Wrong("the order must end ", NameOf(end), ", but the answer is code ", buyer.answer.error_code(), " ",
                 Reason(buyer.answer), ": ", buyer.answer.error_message());
  }
  ASSIGN_OR_RETURN(SagaProto saga, shop_->SagaOfKey("place-order", buyer.request.request_id()));
  const auto must_be = paid ? SagaProto::STATE_COMPLETED : SagaProto::STATE_ABORTED;
  if (saga.state() != must_be || (paid && saga.saga_id() != buyer.order_id)) {
    return Wrong("the buyer was told ", paid ? "that it is paid" : Reason(buyer.answer), ", but saga ", saga.saga_id(),
                 " is ", SagaProto::State_Name(saga.state()));
  }
  const grpc::Status again = shop_->Place(buyer.request, nullptr, kPatience);
  if (again.error_code() == buyer.answer.error_code() && Reason(again) == Reason(buyer.answer)) return absl::OkStatus();
  return Wrong("the answer was ", buyer.answer.error_code(), " ", Reason(buyer.answer), ", and later ",
               again.error_code(), " ", Reason(again));
}

absl::Status CrashStage::CheckRest() {
  if (!Eventually(kPatience, [&] { return shop_->Unfinished().value_or(1) == 0; })) return Wrong("sagas go on");
  ASSIGN_OR_RETURN(const AuditReport report, Audit(*cluster_));
  return report.holds() ? absl::OkStatus() : Wrong("the audit finds:\n", ToText(report));
}

}  // namespace unwind

#include "tests/support/coupon_rush.h"

#include <chrono>
#include <cstddef>
#include <latch>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/rpc/error.h"
#include "grpcpp/client_context.h"
#include "shop/coupon/v1/coupon_service.grpc.pb.h"
#include "tests/support/shop.h"

namespace unwind {
namespace {

using shop::coupon::v1::CouponService;

struct Member {
  std::string key = NewKey();
  shop::coupon::v1::IssueRequest request;
  shop::coupon::v1::IssueResponse response;
  std::unique_ptr<grpc::ClientContext> context;
  grpc::Status status;
};

}  // namespace

absl::StatusOr<CouponRushResult> RunCouponRush(Cluster& cluster, const CouponRushOptions& options) {
  std::vector<std::unique_ptr<CouponService::Stub>> stubs;
  for (int i = 0; i < options.channels; ++i) {
    stubs.push_back(CouponService::NewStub(cluster.Channel(Node::kCoupon, i)));
  }
  std::vector<Member> members(static_cast<std::size_t>(options.members));
  std::vector<Member*> waiting;
  for (std::size_t i = 0; i < members.size(); ++i) {
    members[i].request.set_campaign_id(options.campaign);
    members[i].request.set_member_id(absl::StrCat(options.member_prefix, i));
    waiting.push_back(&members[i]);
  }
  CouponRushResult result;
  const absl::Time began = absl::Now(), last = began + options.patience;
  while (!waiting.empty()) {
    const auto answers = std::make_shared<std::latch>(static_cast<std::ptrdiff_t>(waiting.size()));
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      Member& member = *waiting[i];
      member.context = std::make_unique<grpc::ClientContext>();
      member.context->set_wait_for_ready(true);
      member.context->set_deadline(absl::ToChronoTime(last));
      member.context->AddMetadata("idempotency-key", member.key);
      stubs[i % stubs.size()]->async()->Issue(member.context.get(), &member.request, &member.response,
                                              [&member, answers](const grpc::Status& status) {
                                                member.status = status;
                                                answers->count_down();
                                              });
    }
    answers->wait();
    std::vector<Member*> again;
    for (Member* const member : waiting) {
      if (member->status.ok()) {
        result.coupons[member->request.member_id()] = member->response.coupon().coupon_id();
      } else if (AskAgain(member->status)) {
        again.push_back(member);
      } else {
        ++result.refusals[Reason(member->status)];
      }
    }
    if (!again.empty() && absl::Now() > last) {
      return absl::DeadlineExceededError(absl::StrCat(again.size(), " members have no answer; the first was told ",
                                                      again.front()->status.error_message()));
    }
    waiting = std::move(again);
  }
  result.whole = absl::Now() - began;
  return result;
}

}  // namespace unwind

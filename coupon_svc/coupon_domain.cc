#include "coupon_svc/coupon_domain.h"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/rpc/error.h"
#include "coupon_svc/coupon.h"
#include "coupon_svc/coupon_proto.h"
#include "coupon_svc/coupon_store.h"

namespace unwind::coupon {
namespace {

namespace v1 = ::shop::coupon::v1;
using enum barrier::Phase;

// The rows that one batch touches, as they become.
class CouponBatch {
 public:
  CouponBatch(soci::session& session, absl::Time now) : session_(session), now_(now) {}

  template <class Request>
  void Want(const Request& request) {
    order_ids_.insert(request.order_id());
  }
  void Want(const v1::HoldRequest& request) {
    order_ids_.insert(request.order_id());
    coupon_ids_.insert(request.coupon_id());
  }
  void Want(const v1::CreateCampaignRequest& request) { campaign_ids_.insert(request.campaign_id()); }
  void Want(const v1::IssueRequest& request) {
    campaign_ids_.insert(request.campaign_id());
    coupon_ids_.insert(CouponIdOf(request.campaign_id(), request.member_id(), ""));
  }
  void Want(const v1::IssueApologyRequest& request) {
    campaign_ids_.insert(request.campaign_id());
    coupon_ids_.insert(CouponIdOf(request.campaign_id(), request.member_id(), request.order_id()));
    for (const auto& item : request.items()) {
      apology_keys_.emplace(request.campaign_id(), request.member_id(), item.product_id());
    }
  }
  void Want(const v1::ResetCouponsRequest&) {}

  void Load() {
    redemptions_ = LoadRedemptions(session_, order_ids_);
    for (const auto& [id, redemption] : redemptions_) {
      if (redemption) coupon_ids_.insert(redemption->coupon_id);
    }
    coupons_ = LoadCoupons(session_, coupon_ids_, Purpose::kWrite);
    campaigns_ = LoadCampaigns(session_, campaign_ids_, Purpose::kWrite);
    apologies_ = stored_apologies_ = LoadApologies(session_, apology_keys_);
    Keep(redemptions_, stored_redemptions_);
    Keep(coupons_, stored_coupons_);
    Keep(campaigns_, stored_campaigns_);
  }

  absl::Status CreateCampaign(const CallKey&, const v1::CreateCampaignRequest& request,
                              v1::CreateCampaignResponse& response) {
    ASSIGN_OR_RETURN(const Campaign call, ReadCampaign(request, now_));
    std::optional<Campaign>& campaign = campaigns_[request.campaign_id()];
    RETURN_IF_ERROR(coupon::CreateCampaign(campaign, call, now_));
    Write(*campaign, *response.mutable_campaign());
    return absl::OkStatus();
  }

  absl::Status Issue(const CallKey&, const v1::IssueRequest& request, v1::IssueResponse& response) {
    const IssueCall call{request.campaign_id(), request.member_id()};
    std::optional<Coupon>& coupon = coupons_[CouponIdOf(call.campaign_id, call.member_id, "")];
    RETURN_IF_ERROR(coupon::Issue(campaigns_[call.campaign_id], coupon, call, now_));
    Write(*coupon, *response.mutable_coupon());
    return absl::OkStatus();
  }

  absl::Status IssueApology(const CallKey&, const v1::IssueApologyRequest& request,
                            v1::IssueApologyResponse& response) {
    ApologyCall call{request.campaign_id(), request.order_id(), request.member_id(), {}};
    for (const auto& item : request.items()) call.product_ids.push_back(item.product_id());
    std::optional<Coupon>& coupon = coupons_[CouponIdOf(call.campaign_id, call.member_id, call.order_id)];
    RETURN_IF_ERROR(coupon::IssueApology(campaigns_[call.campaign_id], coupon, apologies_, call, now_));
    if (coupon) response.set_coupon_id(coupon->coupon_id);
    return absl::OkStatus();
  }

  absl::Status Hold(const CallKey& key, const v1::HoldRequest& request, v1::HoldResponse& response) {
    const HoldCall call{request.order_id(),
                        OwnerOf(key),
                        request.coupon_id(),
                        request.member_id(),
                        {request.total().minor_units(), request.total().currency_code()}};
    std::optional<Redemption>& redemption = redemptions_[call.order_id];
    RETURN_IF_ERROR(coupon::Hold(redemption, coupons_[call.coupon_id], call, now_));
    response.mutable_discount()->set_minor_units(redemption->discount_minor);
    response.mutable_discount()->set_currency_code(redemption->currency_code);
    response.mutable_due()->set_minor_units(redemption->total_minor - redemption->discount_minor);
    response.mutable_due()->set_currency_code(redemption->currency_code);
    return absl::OkStatus();
  }

  absl::Status Release(const CallKey& key, const v1::ReleaseRequest& request, v1::ReleaseResponse&) {
    return coupon::Release(redemptions_[request.order_id()], coupons_, OwnerOf(key), now_);
  }

  absl::Status Use(const CallKey&, const v1::UseRequest& request, v1::UseResponse&) {
    return coupon::Use(redemptions_[request.order_id()], coupons_, request.order_id(), now_);
  }

  absl::Status ReturnUsed(const CallKey&, const v1::ReturnUsedRequest& request, v1::ReturnUsedResponse& response) {
    std::optional<Redemption>& redemption = redemptions_[request.order_id()];
    RETURN_IF_ERROR(coupon::ReturnUsed(redemption, coupons_, now_));
    if (redemption) response.set_coupon_id(redemption->coupon_id);
    return absl::OkStatus();
  }

  absl::Status ResetCoupons(const CallKey&, const v1::ResetCouponsRequest&, v1::ResetCouponsResponse& response) {
    WriteChanges();
    if (const std::int64_t held = CountHeld(session_); held > 0) {
      return MakeError(absl::StatusCode::kFailedPrecondition, "coupons are held; let their sagas end before the reset",
                       {"RESET_REFUSED", std::string(kErrorDomain), {{"held", absl::StrCat(held)}}});
    }
    response.set_coupons_removed(ClearCoupons(session_));
    for (auto& [id, redemption] : redemptions_) redemption.reset();
    for (auto& [id, coupon] : coupons_) coupon.reset();
    for (auto& [id, campaign] : campaigns_) {
      if (campaign) campaign->issued = 0;
    }
    apologies_.clear();
    stored_apologies_.clear();
    Keep(redemptions_, stored_redemptions_);
    Keep(coupons_, stored_coupons_);
    Keep(campaigns_, stored_campaigns_);
    return absl::OkStatus();
  }

  absl::Status Save() {
    WriteChanges();
    return lost_ ? absl::AbortedError("another process has inserted the same row") : absl::OkStatus();
  }

 private:
  template <class Row>
  using Rows = std::map<std::string, std::optional<Row>>;

  // What of `rows` is new, and what has changed, since they were as `stored` says.
  template <class Row>
  struct Difference {
    std::vector<const Row*> created, changed;

    Difference(const Rows<Row>& rows, const std::map<std::string, Row>& stored) {
      for (const auto& [id, row] : rows) {
        if (!row) continue;
        const auto found = stored.find(id);
        if (found == stored.end()) {
          created.push_back(&*row);
        } else if (found->second != *row) {
          changed.push_back(&*row);
        }
      }
    }
  };

  template <class Row>
  static void Keep(const Rows<Row>& rows, std::map<std::string, Row>& stored) {
    stored.clear();
    for (const auto& [id, row] : rows) {
      if (row) stored.emplace(id, *row);
    }
  }

  void WriteChanges() {
    const Difference redemptions(redemptions_, stored_redemptions_);
    const Difference coupons(coupons_, stored_coupons_);
    const Difference campaigns(campaigns_, stored_campaigns_);
    Apologies given = apologies_;
    std::erase_if(given, [this](const auto& apology) { return stored_apologies_.count(apology.first) > 0; });
    UpdateRedemptions(session_, redemptions.changed);
    UpdateCoupons(session_, coupons.changed);
    UpdateIssued(session_, campaigns.changed);
    if (!InsertCampaigns(session_, campaigns.created) || !InsertCoupons(session_, coupons.created) ||
        !InsertRedemptions(session_, redemptions.created) || !InsertApologies(session_, given)) {
      lost_ = true;
    }
    Keep(redemptions_, stored_redemptions_);
    Keep(coupons_, stored_coupons_);
    Keep(campaigns_, stored_campaigns_);
    stored_apologies_ = apologies_;
  }

  soci::session& session_;
  const absl::Time now_;
  std::set<std::string> order_ids_, coupon_ids_, campaign_ids_;
  ApologyKeys apology_keys_;
  bool lost_ = false;
  Redemptions redemptions_;
  Coupons coupons_;
  Campaigns campaigns_;
  Apologies apologies_;
  // As the tables have them.
  std::map<std::string, Redemption> stored_redemptions_;
  std::map<std::string, Coupon> stored_coupons_;
  std::map<std::string, Campaign> stored_campaigns_;
  Apologies stored_apologies_;
};

}  // namespace

std::unique_ptr<StepDomain> NewCouponDomain(const Clock& clock) {
  return std::make_unique<TableDomain<CouponBatch>>(
      clock, std::vector<StepRow<CouponBatch>>{
                 Changes("Issue", kAction, &CouponBatch::Issue),
                 Changes("IssueApology", kAction, &CouponBatch::IssueApology),
                 Changes("Hold", kAction, &CouponBatch::Hold),
                 Changes("Release", kCompensation, &CouponBatch::Release),
                 Changes("Use", kAction, &CouponBatch::Use),
                 Changes("ReturnUsed", kAction, &CouponBatch::ReturnUsed),
                 Changes("CreateCampaign", kAction, &CouponBatch::CreateCampaign),
                 ForTests(Changes("ResetCoupons", kAction, &CouponBatch::ResetCoupons)),
             });
}

}  // namespace unwind::coupon

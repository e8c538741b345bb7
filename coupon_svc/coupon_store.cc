#include "coupon_svc/coupon_store.h"

#include "absl/strings/str_cat.h"
#include "common/db/row_list.h"
#include "soci/soci.h"

namespace unwind::coupon {
namespace {

constexpr char kSelectCampaigns[] =
    "SELECT campaign_id, percent, amount_minor, minimum_minor, currency_code, for_apologies, valid_from_us,"
    " valid_until_us, days_valid, coupons_max, issued, create_time_us FROM campaigns"
    " WHERE campaign_id IN (SELECT r.value ->> 0 FROM ROWS(:ids) AS r) ORDER BY campaign_id";

constexpr char kSelectCoupons[] =
    "SELECT coupon_id, campaign_id, member_id, occasion, percent, amount_minor, minimum_minor, currency_code, state,"
    " order_id, valid_from_us, valid_until_us, create_time_us, update_time_us FROM coupons";
constexpr char kById[] = " WHERE coupon_id IN (SELECT r.value ->> 0 FROM ROWS(:ids) AS r) ORDER BY coupon_id";
// One clause for each filter, so that each has its index.
constexpr char kOfMember[] = " WHERE member_id = :member AND (create_time_us, coupon_id) < (:time, :id)";
constexpr char kOfMemberInState[] =
    " WHERE member_id = :member AND state = :state AND (create_time_us, coupon_id) < (:time, :id)";
constexpr char kNewestFirst[] = " ORDER BY create_time_us DESC, coupon_id DESC LIMIT :limit";
constexpr char kLocked[] = " FOR UPDATE";

constexpr char kLoadRedemptions[] =
    "SELECT order_id, coupon_id, owner, state, total_minor, discount_minor, currency_code, create_time_us,"
    " update_time_us FROM redemptions"
    " WHERE order_id IN (SELECT r.value ->> 0 FROM ROWS(:ids) AS r) ORDER BY order_id FOR UPDATE";

constexpr char kLoadApologies[] =
    "SELECT a.campaign_id, a.member_id, a.product_id, a.coupon_id FROM ROWS(:wanted) AS w JOIN apologies AS a"
    " ON a.campaign_id = w.value ->> 0 AND a.member_id = w.value ->> 1 AND a.product_id = w.value ->> 2";

constexpr char kInsertCampaigns[] =
    "INSERT INTO campaigns (campaign_id, percent, amount_minor, minimum_minor, currency_code, for_apologies,"
    " valid_from_us, valid_until_us, days_valid, coupons_max, issued, create_time_us)"
    " SELECT r.value ->> 0, CAST(r.value ->> 1 AS BIGINT), CAST(r.value ->> 2 AS BIGINT),"
    " CAST(r.value ->> 3 AS BIGINT), r.value ->> 4, CAST(r.value ->> 5 AS BIGINT), CAST(r.value ->> 6 AS BIGINT),"
    " CAST(r.value ->> 7 AS BIGINT), CAST(r.value ->> 8 AS BIGINT), CAST(r.value ->> 9 AS BIGINT),"
    " CAST(r.value ->> 10 AS BIGINT), CAST(r.value ->> 11 AS BIGINT)"
    " FROM ROWS(:rows) AS r WHERE TRUE ON CONFLICT DO NOTHING RETURNING issued";

constexpr char kUpdateIssued[] =
    "UPDATE campaigns SET issued = CAST(r.value ->> 1 AS BIGINT)"
    " FROM ROWS(:rows) AS r WHERE campaign_id = r.value ->> 0";

constexpr char kInsertCoupons[] =
    "INSERT INTO coupons (coupon_id, campaign_id, member_id, occasion, percent, amount_minor, minimum_minor,"
    " currency_code, state, order_id, valid_from_us, valid_until_us, create_time_us, update_time_us)"
    " SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2, r.value ->> 3, CAST(r.value ->> 4 AS BIGINT),"
    " CAST(r.value ->> 5 AS BIGINT), CAST(r.value ->> 6 AS BIGINT), r.value ->> 7, CAST(r.value ->> 8 AS BIGINT),"
    " r.value ->> 9, CAST(r.value ->> 10 AS BIGINT), CAST(r.value ->> 11 AS BIGINT), CAST(r.value ->> 12 AS BIGINT),"
    " CAST(r.value ->> 13 AS BIGINT) FROM ROWS(:rows) AS r WHERE TRUE ON CONFLICT DO NOTHING RETURNING state";

constexpr char kUpdateCoupons[] =
    "UPDATE coupons SET state = CAST(r.value ->> 1 AS BIGINT), order_id = r.value ->> 2,"
    " update_time_us = CAST(r.value ->> 3 AS BIGINT) FROM ROWS(:rows) AS r WHERE coupon_id = r.value ->> 0";

constexpr char kInsertRedemptions[] =
    "INSERT INTO redemptions (order_id, coupon_id, owner, state, total_minor, discount_minor, currency_code,"
    " create_time_us, update_time_us)"
    " SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2, CAST(r.value ->> 3 AS BIGINT),"
    " CAST(r.value ->> 4 AS BIGINT), CAST(r.value ->> 5 AS BIGINT), r.value ->> 6, CAST(r.value ->> 7 AS BIGINT),"
    " CAST(r.value ->> 8 AS BIGINT) FROM ROWS(:rows) AS r WHERE TRUE ON CONFLICT DO NOTHING RETURNING state";

constexpr char kUpdateRedemptions[] =
    "UPDATE redemptions SET state = CAST(r.value ->> 1 AS BIGINT), update_time_us = CAST(r.value ->> 2 AS BIGINT)"
    " FROM ROWS(:rows) AS r WHERE order_id = r.value ->> 0";

constexpr char kInsertApologies[] =
    "INSERT INTO apologies (campaign_id, member_id, product_id, coupon_id)"
    " SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2, r.value ->> 3 FROM ROWS(:rows) AS r WHERE TRUE"
    " ON CONFLICT DO NOTHING RETURNING 1";

constexpr char kCountHeld[] = "SELECT count(*) FROM redemptions WHERE state = 1";
constexpr char kNoneIssued[] = "UPDATE campaigns SET issued = 0 WHERE issued > 0";

// A row of kSelectCampaigns on its way out of SOCI.
struct CampaignRow {
  Campaign campaign;
  long long percent = 0, amount = 0, minimum = 0, for_apologies = 0, valid_from = 0, valid_until = 0, days_valid = 0,
            coupons_max = 0, issued = 0, created = 0;

  Campaign Get() {
    campaign.terms.percent = percent;
    campaign.terms.amount_minor = amount;
    campaign.terms.minimum_minor = minimum;
    campaign.for_apologies = for_apologies != 0;
    campaign.valid_from = absl::FromUnixMicros(valid_from);
    campaign.valid_until = absl::FromUnixMicros(valid_until);
    campaign.days_valid = days_valid;
    campaign.coupons_max = coupons_max;
    campaign.issued = issued;
    campaign.create_time = absl::FromUnixMicros(created);
    return campaign;
  }
};

// A row of kSelectCoupons on its way out of SOCI.
struct CouponRow {
  Coupon coupon;
  long long percent = 0, amount = 0, minimum = 0, state = 0, valid_from = 0, valid_until = 0, created = 0, updated = 0;

  // Calls `take` after each row.
  template <class Take, class... Uses>
  void Select(soci::session& session, const std::string& sql, Take take, const Uses&... uses) {
    Statement select(session, sql, uses..., soci::into(coupon.coupon_id), soci::into(coupon.campaign_id),
                     soci::into(coupon.member_id), soci::into(coupon.occasion), soci::into(percent), soci::into(amount),
                     soci::into(minimum), soci::into(coupon.terms.currency_code), soci::into(state),
                     soci::into(coupon.order_id), soci::into(valid_from), soci::into(valid_until), soci::into(created),
                     soci::into(updated));
    select.Execute();
    while (select.Fetch()) take();
  }

  Coupon Get() {
    coupon.terms.percent = percent;
    coupon.terms.amount_minor = amount;
    coupon.terms.minimum_minor = minimum;
    coupon.state = static_cast<State>(state);
    coupon.valid_from = absl::FromUnixMicros(valid_from);
    coupon.valid_until = absl::FromUnixMicros(valid_until);
    coupon.create_time = absl::FromUnixMicros(created);
    coupon.update_time = absl::FromUnixMicros(updated);
    return coupon;
  }
};

}  // namespace

Redemptions LoadRedemptions(soci::session& session, const std::set<std::string>& order_ids) {
  Redemptions redemptions;
  for (const std::string& id : order_ids) redemptions.try_emplace(id);
  if (redemptions.empty()) return redemptions;
  const std::string ids = IdRows(order_ids);
  Redemption row;
  long long state = 0, total = 0, discount = 0, created = 0, updated = 0;
  Statement select(session, kLoadRedemptions, soci::use(ids), soci::into(row.order_id), soci::into(row.coupon_id),
                   soci::into(row.owner), soci::into(state), soci::into(total), soci::into(discount),
                   soci::into(row.currency_code), soci::into(created), soci::into(updated));
  select.Execute();
  while (select.Fetch()) {
    row.state = static_cast<RedemptionState>(state);
    row.total_minor = total;
    row.discount_minor = discount;
    row.create_time = absl::FromUnixMicros(created);
    row.update_time = absl::FromUnixMicros(updated);
    redemptions[row.order_id] = row;
  }
  return redemptions;
}

Coupons LoadCoupons(soci::session& session, const std::set<std::string>& coupon_ids, Purpose purpose) {
  Coupons coupons;
  for (const std::string& id : coupon_ids) coupons.try_emplace(id);
  if (coupons.empty()) return coupons;
  const std::string ids = IdRows(coupon_ids);
  CouponRow row;
  row.Select(
      session, absl::StrCat(kSelectCoupons, kById, purpose == Purpose::kWrite ? kLocked : ""),
      [&] { coupons[row.coupon.coupon_id] = row.Get(); }, soci::use(ids));
  return coupons;
}

Campaigns LoadCampaigns(soci::session& session, const std::set<std::string>& campaign_ids, Purpose purpose) {
  Campaigns campaigns;
  for (const std::string& id : campaign_ids) campaigns.try_emplace(id);
  if (campaigns.empty()) return campaigns;
  const std::string ids = IdRows(campaign_ids);
  CampaignRow row;
  Campaign& campaign = row.campaign;
  const std::string sql = absl::StrCat(kSelectCampaigns, purpose == Purpose::kWrite ? kLocked : "");
  Statement select(session, sql, soci::use(ids), soci::into(campaign.campaign_id), soci::into(row.percent),
                   soci::into(row.amount), soci::into(row.minimum), soci::into(campaign.terms.currency_code),
                   soci::into(row.for_apologies), soci::into(row.valid_from), soci::into(row.valid_until),
                   soci::into(row.days_valid), soci::into(row.coupons_max), soci::into(row.issued),
                   soci::into(row.created));
  select.Execute();
  while (select.Fetch()) campaigns[campaign.campaign_id] = row.Get();
  return campaigns;
}

Apologies LoadApologies(soci::session& session, const ApologyKeys& wanted) {
  Apologies apologies;
  if (wanted.empty()) return apologies;
  RowList rows;
  for (const auto& [campaign, member, product] : wanted) rows.Add(campaign, member, product);
  const std::string keys = rows.json();
  std::string campaign_id, member_id, product_id, coupon_id;
  Statement select(session, kLoadApologies, soci::use(keys), soci::into(campaign_id), soci::into(member_id),
                   soci::into(product_id), soci::into(coupon_id));
  select.Execute();
  while (select.Fetch()) apologies[{campaign_id, member_id, product_id}] = coupon_id;
  return apologies;
}

void UpdateRedemptions(soci::session& session, const std::vector<const Redemption*>& redemptions) {
  RowList rows;
  for (const Redemption* redemption : redemptions) {
    rows.Add(redemption->order_id, static_cast<int>(redemption->state), absl::ToUnixMicros(redemption->update_time));
  }
  PutRows(session, kUpdateRedemptions, rows);
}

void UpdateCoupons(soci::session& session, const std::vector<const Coupon*>& coupons) {
  RowList rows;
  for (const Coupon* coupon : coupons) {
    rows.Add(coupon->coupon_id, static_cast<int>(coupon->state), coupon->order_id,
             absl::ToUnixMicros(coupon->update_time));
  }
  PutRows(session, kUpdateCoupons, rows);
}

void UpdateIssued(soci::session& session, const std::vector<const Campaign*>& campaigns) {
  RowList rows;
  for (const Campaign* campaign : campaigns) rows.Add(campaign->campaign_id, campaign->issued);
  PutRows(session, kUpdateIssued, rows);
}

bool InsertCampaigns(soci::session& session, const std::vector<const Campaign*>& campaigns) {
  RowList rows;
  for (const Campaign* campaign : campaigns) {
    const Terms& terms = campaign->terms;
    rows.Add(campaign->campaign_id, terms.percent, terms.amount_minor, terms.minimum_minor, terms.currency_code,
             campaign->for_apologies ? 1 : 0, absl::ToUnixMicros(campaign->valid_from),
             absl::ToUnixMicros(campaign->valid_until), campaign->days_valid, campaign->coupons_max, campaign->issued,
             absl::ToUnixMicros(campaign->create_time));
  }
  return InsertRows(session, kInsertCampaigns, rows);
}

bool InsertCoupons(soci::session& session, const std::vector<const Coupon*>& coupons) {
  RowList rows;
  for (const Coupon* coupon : coupons) {
    const Terms& terms = coupon->terms;
    rows.Add(coupon->coupon_id, coupon->campaign_id, coupon->member_id, coupon->occasion, terms.percent,
             terms.amount_minor, terms.minimum_minor, terms.currency_code, static_cast<int>(coupon->state),
             coupon->order_id, absl::ToUnixMicros(coupon->valid_from), absl::ToUnixMicros(coupon->valid_until),
             absl::ToUnixMicros(coupon->create_time), absl::ToUnixMicros(coupon->update_time));
  }
  return InsertRows(session, kInsertCoupons, rows);
}

bool InsertRedemptions(soci::session& session, const std::vector<const Redemption*>& redemptions) {
  RowList rows;
  for (const Redemption* redemption : redemptions) {
    rows.Add(redemption->order_id, redemption->coupon_id, redemption->owner, static_cast<int>(redemption->state),
             redemption->total_minor, redemption->discount_minor, redemption->currency_code,
             absl::ToUnixMicros(redemption->create_time), absl::ToUnixMicros(redemption->update_time));
  }
  return InsertRows(session, kInsertRedemptions, rows);
}

bool InsertApologies(soci::session& session, const Apologies& apologies) {
  RowList rows;
  for (const auto& [key, coupon_id] : apologies) {
    const auto& [campaign_id, member_id, product_id] = key;
    rows.Add(campaign_id, member_id, product_id, coupon_id);
  }
  return InsertRows(session, kInsertApologies, rows);
}

std::int64_t CountHeld(soci::session& session) {
  long long count = 0;
  session << kCountHeld, soci::into(count);
  return count;
}

std::int64_t ClearCoupons(soci::session& session) {
  long long count = 0;
  session << "SELECT count(*) FROM coupons", soci::into(count);
  session << "DELETE FROM apologies";
  session << "DELETE FROM redemptions";
  session << "DELETE FROM coupons";
  session << kNoneIssued;
  return count;
}

std::vector<Coupon> FindCoupons(soci::session& session, const CouponFilter& filter, const CouponPosition& after,
                                std::int64_t limit) {
  const long long state = filter.state ? static_cast<long long>(*filter.state) : 0;
  const long long time = after.create_time_us, rows = limit;
  CouponRow row;
  std::vector<Coupon> coupons;
  const auto take = [&] { coupons.push_back(row.Get()); };
  const std::string sql = absl::StrCat(kSelectCoupons, filter.state ? kOfMemberInState : kOfMember, kNewestFirst);
  using soci::use;  // its result refers to temporaries: never keep one
  const std::string &member = filter.member_id, &id = after.coupon_id;
  if (filter.state) {
    row.Select(session, sql, take, use(member), use(state), use(time), use(id), use(rows));
  } else {
    row.Select(session, sql, take, use(member), use(time), use(id), use(rows));
  }
  return coupons;
}

}  // namespace unwind::coupon

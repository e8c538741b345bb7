#include "tests/sim/depot.h"

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/rpc/error.h"
#include "soci/soci.h"
#include "tests/sim/sale.pb.h"

namespace unwind::sim {
namespace {

constexpr char kDomain[] = "depot.sim.unwind";
constexpr absl::Duration kPackingMax = absl::Seconds(25);
constexpr absl::Duration kOtherWorkMax = absl::Minutes(1);
constexpr int kAtOncePercent = 25;
constexpr int kNoBoxPercent = 8;
constexpr int kNeverPercent = 60;  // at full intensity
constexpr int kSaysWhenPercent = 30;

using Request = ::sim::v1::ParcelRequest;
using Response = ::sim::v1::ParcelResponse;

struct Parcel {
  ParcelState state = ParcelState::kPacking;
  absl::Time ready;  // when the work that is being done is finished
};

class DepotBatch {
 public:
  DepotBatch(soci::session& session, absl::Time now, World& world, Faults& faults, std::uint64_t seed)
      : session_(session), now_(now), world_(world), faults_(faults), seed_(seed) {}

  template <class Any>
  void Want(const Any&) {}  // rows are read one by one: a batch has few
  void Load() {}
  absl::Status Save() { return absl::OkStatus(); }

  Answer Pack(const Command&, const Request& request, std::unique_ptr<Response> response) {
    const std::string& id = request.parcel_id();
    std::optional<Parcel> parcel = Read(id);
    if (!parcel.has_value()) {
      parcel = Parcel{ParcelState::kPacking, ReadyAt(id, "pack", kPackingMax, /*may_never=*/true)};
      Write(id, *parcel);
    }
    response->set_shelf(absl::StrCat("shelf-", id.substr(id.size() - 4)));
    if (parcel->state == ParcelState::kPacked) return Ok{std::move(response)};
    if (parcel->state != ParcelState::kPacking) {
      world_.Violate("I26", absl::StrCat("parcel ", id, " is asked for again after it was to be unpacked"));
      return Ok{std::move(response)};
    }
    if (now_ < parcel->ready) return NotYet(*parcel, std::move(response));
    const bool has_no_box = DiceOf(id, "box").Chance(kNoBoxPercent / 100.0);
    Write(id, {has_no_box ? ParcelState::kNotPacked : ParcelState::kPacked, parcel->ready});
    if (!has_no_box) return Ok{std::move(response)};
    return Refused{
        MakeError(absl::StatusCode::kFailedPrecondition, "there is no box of its size", {"NO_BOX", kDomain, {}})};
  }

  Answer Unpack(const Command&, const Request& request, std::unique_ptr<Response> response) {
    const std::string& id = request.parcel_id();
    std::optional<Parcel> parcel = Read(id);
    const bool may_be = parcel.has_value() && parcel->state != ParcelState::kNotPacked &&
                        parcel->state != ParcelState::kShipping && parcel->state != ParcelState::kShipped;
    if (!may_be) {
      world_.Violate("I26", absl::StrCat("parcel ", id, " must be unpacked, and was never packed or is shipped"));
      return Ok{std::move(response)};
    }
    if (parcel->state == ParcelState::kPacking || parcel->state == ParcelState::kPacked) {
      parcel = Parcel{ParcelState::kUnpacking, ReadyAt(id, "unpack", kOtherWorkMax, /*may_never=*/false)};
    }
    return GoOn(id, *parcel, ParcelState::kUnpacked, std::move(response));
  }

  Answer Ship(const Command&, const Request& request, std::unique_ptr<Response> response) {
    const std::string& id = request.parcel_id();
    std::optional<Parcel> parcel = Read(id);
    if (parcel.has_value() && parcel->state == ParcelState::kPacked) {
      parcel = Parcel{ParcelState::kShipping, ReadyAt(id, "ship", kOtherWorkMax, /*may_never=*/false)};
    }
    if (!parcel.has_value() || parcel->state < ParcelState::kShipping) {
      world_.Violate("I26", absl::StrCat("parcel ", id, " must be shipped, and is not packed"));
      return Ok{std::move(response)};
    }
    return GoOn(id, *parcel, ParcelState::kShipped, std::move(response));
  }

  Answer Note(const Command&, const ::sim::v1::NoteRequest& request,
              std::unique_ptr<::sim::v1::NoteResponse> response) {
    session_ << "INSERT INTO notes VALUES (:id, :about, :text)", soci::use(request.note_id()),
        soci::use(request.about()), soci::use(request.text());
    return Ok{std::move(response)};
  }

 private:
  Dice DiceOf(const std::string& id, const char* what) const {
    return Dice(seed_ ^ std::hash<std::string>()(absl::StrCat(what, id)));
  }

  absl::Time ReadyAt(const std::string& id, const char* what, absl::Duration most, bool may_never) const {
    Dice dice = DiceOf(id, what);
    if (dice.Chance(kAtOncePercent / 100.0)) return now_;
    if (may_never && dice.Chance(faults_.intensity(Fault::kNeverFinished) * kNeverPercent / 100)) {
      faults_.Count(Fault::kNeverFinished);
      return now_ + absl::Hours(24 * 365);
    }
    return now_ + dice.Between(absl::Milliseconds(50), most);
  }

  Answer NotYet(const Parcel& parcel, std::unique_ptr<Response> response) const {
    const bool says_when = world_.dice().Chance(kSaysWhenPercent / 100.0);
    return Later{std::move(response), says_when ? parcel.ready - now_ : absl::ZeroDuration()};
  }

  // What is not to be undone any more, and finished once its time is up.
  Answer GoOn(const std::string& id, Parcel parcel, ParcelState end, std::unique_ptr<Response> response) {
    const bool is_finished = now_ >= parcel.ready;
    if (is_finished) parcel.state = end;
    Write(id, parcel);
    if (is_finished) return Ok{std::move(response)};
    return NotYet(parcel, std::move(response));
  }

  std::optional<Parcel> Read(const std::string& id) {
    long long state = 0, ready = 0;
    session_ << "SELECT state, ready_us FROM parcels WHERE parcel_id = :id", soci::use(id), soci::into(state),
        soci::into(ready);
    if (!session_.got_data()) return std::nullopt;
    return Parcel{static_cast<ParcelState>(state), absl::FromUnixMicros(ready)};
  }

  void Write(const std::string& id, const Parcel& parcel) {
    const long long state = static_cast<long long>(parcel.state), ready = absl::ToUnixMicros(parcel.ready);
    session_ << "INSERT INTO parcels VALUES (:id, :state, :ready) ON CONFLICT (parcel_id) DO UPDATE"
                " SET state = excluded.state, ready_us = excluded.ready_us",
        soci::use(id), soci::use(state), soci::use(ready);
  }

  soci::session& session_;
  const absl::Time now_;
  World& world_;
  Faults& faults_;
  const std::uint64_t seed_;
};

std::vector<StepRow<DepotBatch>> Rows() {
  using enum barrier::Phase;
  return {Changes("Pack", kAction, &DepotBatch::Pack), Changes("Unpack", kCompensation, &DepotBatch::Unpack),
          Changes("Ship", kAction, &DepotBatch::Ship), Changes("Note", kAction, &DepotBatch::Note)};
}

}  // namespace

const Migrations kDepotMigrations = {
    {"sqlite/0001_depot.sql",
     "CREATE TABLE parcels (parcel_id TEXT PRIMARY KEY, state INTEGER NOT NULL, ready_us INTEGER NOT NULL);\n"
     "CREATE TABLE notes (note_id TEXT PRIMARY KEY, about TEXT NOT NULL, text TEXT NOT NULL);\n"}};

ServiceTable DepotTable() { return {.name = "sim.v1.Depot", .error_domain = kDomain, .reads = {}}; }

std::unique_ptr<StepDomain> NewDepotDomain(World& world, Faults& faults, std::uint64_t seed, const Clock& clock) {
  return std::make_unique<TableDomain<DepotBatch>>(clock, Rows(),
                                                   [&world, &faults, seed](soci::session& session, absl::Time now) {
                                                     return DepotBatch(session, now, world, faults, seed);
                                                   });
}

}  // namespace unwind::sim

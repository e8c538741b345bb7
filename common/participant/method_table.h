// The methods of a service as rows of a table. A row names a method of the proto, its phase, and the function that
// decides or reads; request and response follow from that function's type:
//
//   Changes("Reserve", kAction, &StockBatch::Reserve)
//   Reads("GetProduct", &GetProduct)
#ifndef UNWIND_COMMON_PARTICIPANT_METHOD_TABLE_H_
#define UNWIND_COMMON_PARTICIPANT_METHOD_TABLE_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/participant/participant.h"
#include "common/rpc/caller.h"
#include "google/protobuf/message.h"
#include "soci/session.h"

namespace unwind {

// A method that changes something, as far as its caller is concerned.
struct StepMethod {
  std::string name;                                     // in its proto service, such as "Reserve"
  barrier::Phase phase = barrier::Phase::kAction;       // of a call without saga metadata; see ReadCallKey
  const google::protobuf::Message* request = nullptr;   // prototype
  const google::protobuf::Message* response = nullptr;  // prototype
  bool tests_only = false;                              // PERMISSION_DENIED without --enable_reset
};

// A method that only reads, for the principal who asks. `read` runs in one snapshot and lets soci_error pass.
struct ReadMethod {
  std::string name;
  const google::protobuf::Message* request = nullptr;   // prototype
  const google::protobuf::Message* response = nullptr;  // prototype
  std::function<absl::Status(soci::session&, const Principal&, const google::protobuf::Message&,
                             google::protobuf::Message&)>
      read;
};

template <class Request, class Response>
ReadMethod Reads(const char* name, absl::Status (*read)(soci::session&, const Principal&, const Request&, Response&)) {
  return {name, &Request::default_instance(), &Response::default_instance(),
          [read](soci::session& session, const Principal& principal, const google::protobuf::Message& request,
                 google::protobuf::Message& response) {
            return read(session, principal, dynamic_cast<const Request&>(request), dynamic_cast<Response&>(response));
          }};
}

// Of one that shows everybody the same.
template <class Request, class Response>
ReadMethod Reads(const char* name, absl::Status (*read)(soci::session&, const Request&, Response&)) {
  return {name, &Request::default_instance(), &Response::default_instance(),
          [read](soci::session& session, const Principal&, const google::protobuf::Message& request,
                 google::protobuf::Message& response) {
            return read(session, dynamic_cast<const Request&>(request), dynamic_cast<Response&>(response));
          }};
}

// A StepMethod and how a batch of class `Batch` decides it.
template <class Batch>
struct StepRow {
  StepMethod method;
  std::function<void(Batch&, const google::protobuf::Message&)> want;
  std::function<Answer(Batch&, const Command&)> decide;
};

template <class Batch, class Request, class Response>
StepRow<Batch> MakeStepRow(const char* name, barrier::Phase phase,
                           std::function<Answer(Batch&, const Command&)> decide) {
  return {
      {name, phase, &Request::default_instance(), &Response::default_instance()},
      [](Batch& batch, const google::protobuf::Message& request) { batch.Want(dynamic_cast<const Request&>(request)); },
      std::move(decide)};
}

// `decide` fills the response, or says what else the answer is.
template <class Batch, class Request, class Response>
StepRow<Batch> Changes(const char* name, barrier::Phase phase,
                       Answer (Batch::*decide)(const Command&, const Request&, std::unique_ptr<Response>)) {
  return MakeStepRow<Batch, Request, Response>(name, phase, [decide](Batch& batch, const Command& command) {
    return (batch.*decide)(command, dynamic_cast<const Request&>(*command.request), std::make_unique<Response>());
  });
}

// `decide` fills the response. UNAVAILABLE says nothing of the call; every other status refuses it.
template <class Batch, class Request, class Response>
StepRow<Batch> Changes(const char* name, barrier::Phase phase,
                       absl::Status (Batch::*decide)(const CallKey&, const Request&, Response&)) {
  return MakeStepRow<Batch, Request, Response>(name, phase, [decide](Batch& batch, const Command& command) -> Answer {
    auto response = std::make_unique<Response>();
    absl::Status status = (batch.*decide)(command.key, dynamic_cast<const Request&>(*command.request), *response);
    if (absl::IsUnavailable(status)) return Unknown{std::move(status)};
    if (!status.ok()) return Refused{std::move(status)};
    return Ok{std::move(response)};
  });
}

template <class Batch>
StepRow<Batch> ForTests(StepRow<Batch> row) {
  row.method.tests_only = true;
  return row;
}

// A domain that decides a table's methods; Command::method is the position of a row, from `first` on.
class StepDomain : public Domain {
 public:
  virtual std::vector<StepMethod> methods() const = 0;

  // Of several domains behind one writer each has numbers of its own. Before it is used.
  void NumberFrom(int first) { first_ = first; }
  int first() const { return first_; }

  // REQUIRES: there is one of this name.
  int NumberOf(const std::string& name) const {
    const std::vector<StepMethod> all = methods();
    std::size_t number = 0;
    while (number < all.size() && all[number].name != name) ++number;
    CHECK(number < all.size());
    return first_ + static_cast<int>(number);
  }

 private:
  int first_ = 0;
};

// The domain of a table whose rows a `Batch` decides: the rows of the database that one transaction touches. Of it are
// called, in this order:
//   void Want(const Request&)   once for each request: which rows it touches
//   void Load()                 reads them, one SELECT a table
//   the rows' own functions     decide, in the requests' order, each seeing what those before it decided
//   absl::Status Save()         writes what has changed, one statement a table; ABORTED: another process has written
//                               the same rows meanwhile, and the batch is run again
template <class Batch>
class TableDomain : public StepDomain {
 public:
  using Open = std::function<Batch(soci::session&, absl::Time)>;

  // `clock` must outlive this.
  TableDomain(
      const Clock& clock, std::vector<StepRow<Batch>> rows,
      Open open = [](soci::session& session, absl::Time now) { return Batch(session, now); })
      : clock_(clock), rows_(std::move(rows)), open_(std::move(open)) {}

  std::vector<StepMethod> methods() const override {
    std::vector<StepMethod> methods;
    for (const StepRow<Batch>& row : rows_) methods.push_back(row.method);
    return methods;
  }

  absl::Status Apply(soci::session& session, const std::vector<Command*>& commands) override {
    Batch batch = open_(session, clock_.Now());
    for (const Command* command : commands) RowOf(*command).want(batch, *command->request);
    batch.Load();
    for (Command* command : commands) command->answer = RowOf(*command).decide(batch, *command);
    return batch.Save();
  }

 private:
  const StepRow<Batch>& RowOf(const Command& command) const {
    return rows_[static_cast<std::size_t>(command.method - first())];
  }

  const Clock& clock_;
  const std::vector<StepRow<Batch>> rows_;
  const Open open_;
};

}  // namespace unwind

#endif  // UNWIND_COMMON_PARTICIPANT_METHOD_TABLE_H_

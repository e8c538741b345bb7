// The one main of every service: flags, migrate, open, serve, drain, stop.
#ifndef UNWIND_COMMON_PARTICIPANT_SERVICE_MAIN_H_
#define UNWIND_COMMON_PARTICIPANT_SERVICE_MAIN_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/db/connection.h"
#include "common/db/migrate.h"
#include "common/participant/domains.h"
#include "common/participant/method_table.h"
#include "common/participant/participant.h"
#include "common/participant/read.h"
#include "common/participant/table_service.h"
#include "common/rpc/server.h"

namespace unwind {

// Two connections to the database of --db, whose schema is up to date.
struct Databases {
  std::unique_ptr<Connection> write;
  std::unique_ptr<Connection> read;
};
using OpenDatabases = std::function<absl::StatusOr<Databases>()>;

// What a program serves, from its start to its stop.
class Serving {
 public:
  virtual ~Serving() = default;

  virtual std::vector<NamedService> services() = 0;

  // Writes what changes nothing, and tells how that ended (see StoreHealth::Probe). One at a time.
  virtual void ProbeStore(std::function<void(absl::Status)> done) = 0;

  // Ends the calls that would hold up the drain.
  virtual void BeforeDrain() {}

  // After the drain: no call is under way any more. A probe that is out ends.
  virtual void Stop() = 0;
};

// One proto service of a participant: what decides its steps, and its table.
struct ServicePart {
  std::unique_ptr<StepDomain> domain;
  ServiceTable table;
};

// A participant of sagas: domains behind one barrier, each served by its table.
class ServingParticipant final : public Serving {
 public:
  // `clock` must outlive this.
  ServingParticipant(std::vector<ServicePart> parts, const ParticipantOptions& options, Databases databases,
                     const Clock& clock, bool enable_reset);
  ServingParticipant(std::unique_ptr<StepDomain> domain, const ServiceTable& table, const ParticipantOptions& options,
                     Databases databases, const Clock& clock, bool enable_reset);

  std::vector<NamedService> services() override;
  void ProbeStore(std::function<void(absl::Status)> done) override;
  void Stop() override;

 private:
  Domains domains_;
  Participant participant_;
  Reader reader_;
  std::deque<TableService> services_;
};

// The same, with the limits and the --enable_reset of the command line, on what `open` opens. `own_bytes_max`: what the
// program may take beside what every participant does, for memory_limits_bytes. REQUIRES: there are parts, of one error
// domain.
absl::StatusOr<std::unique_ptr<Serving>> ServeParticipant(std::vector<ServicePart> parts, const OpenDatabases& open,
                                                          const Clock& clock, std::size_t own_bytes_max = 0);
absl::StatusOr<std::unique_ptr<Serving>> ServeParticipant(std::unique_ptr<StepDomain> domain, const ServiceTable& table,
                                                          const OpenDatabases& open, const Clock& clock,
                                                          std::size_t own_bytes_max = 0);

// What a program does instead of serving, if its argument is `name`.
struct Task {
  const char* name;
  const char* does;  // for --help, after "it only"
  // Main's exit code.
  absl::StatusOr<int> (*run)(const OpenDatabases& open, const Clock& clock);
};

struct Program {
  const char* name;       // such as "stock_svc": of the log and of errors
  const char* usage;      // the first part of --help, after the name
  const char* component;  // of the schema, such as "stock"; its SQLite file is stock.db unless --db says otherwise
  const Migrations& migrations;
  bool has_barrier = true;  // a participant, which keeps the barrier's table beside its own

  // Reads the flags that are the program's own, and only if they are good calls `open`, once for each part that
  // has connections of its own.
  absl::StatusOr<std::unique_ptr<Serving>> (*start)(const OpenDatabases& open, const Clock& clock);

  std::vector<Task> tasks = {};  // besides migrate
};

// Returns main's exit code: 1, and one sentence on stderr, if something kept it from serving. With the argument
// `migrate`, or the name of one of its tasks, it does that alone.
int ServiceMain(int argc, char** argv, const Program& program);

}  // namespace unwind

#endif  // UNWIND_COMMON_PARTICIPANT_SERVICE_MAIN_H_

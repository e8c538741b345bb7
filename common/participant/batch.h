// What one transaction makes of a batch of calls: barrier rows read, each call decided, the domain asked about those to
// be executed, barrier rows written.
#ifndef UNWIND_COMMON_PARTICIPANT_BATCH_H_
#define UNWIND_COMMON_PARTICIPANT_BATCH_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/participant/participant.h"
#include "soci/session.h"

namespace unwind {

// One call on its way through the writer.
struct Submission {
  Command command;
  std::string payload_hash;
  Participant::Done done;
  Participant::Reply reply;                               // out
  bool continues = false;                                 // out: the answer comes after Domain::Continue, not now
  barrier::Verdict verdict = barrier::Verdict::kExecute;  // out
};
using SubmissionPtr = std::shared_ptr<Submission>;

SubmissionPtr MakeSubmission(int method, CallKey key, std::shared_ptr<const google::protobuf::Message> request,
                             Participant::Done done);

// Which call a crash point is about, such as reserve_stock/compensation; charge/action/continued when it comes back
// from Domain::Continue.
std::string CallOf(const Command& command);

// The name and the deterministic bytes of `request`, hashed: what makes two requests under one key the same.
std::string PayloadHash(const google::protobuf::Message& request);

// Sets the outs of every call. At most one call per (saga, step). Can be run again after a rollback. ABORTED: another
// process wrote the same rows meanwhile; roll back and run it again.
absl::Status RunBatch(soci::session& session, Domain& domain, const ParticipantOptions& options, absl::Time now,
                      const std::vector<SubmissionPtr>& calls);

}  // namespace unwind

#endif  // UNWIND_COMMON_PARTICIPANT_BATCH_H_

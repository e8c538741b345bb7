#include "orchestrator/store/follower_rows.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/db/statement.h"
#include "orchestrator/store/pg_array.h"
#include "orchestrator/store/saga_codec.h"
#include "orchestrator/store/saga_rows.h"
#include "saga/stored/v1/rows.pb.h"
#include "soci/soci.h"

namespace unwind {
namespace {

using soci::into;
using soci::use;

namespace stored = saga::stored::v1;

constexpr char kGeneration[] = "SELECT generation FROM follower_set";
constexpr char kSelectFollowers[] =
    "SELECT parent, parent_version, name, version, content FROM follower ORDER BY parent, parent_version, name";
// Who changes the followers waits here for who is changing them, and then finds another generation.
constexpr char kAdvance[] = "UPDATE follower_set SET generation = generation + 1 WHERE generation = :seen";
constexpr char kDeleteAll[] = "DELETE FROM follower";
constexpr char kChildren[] =
    "SELECT id, definition, definition_version, state FROM saga WHERE parent = :parent ORDER BY definition, id";

std::string Encode(const Follower& follower) {
  if (follower.unreadable.has_value()) return *follower.unreadable;
  stored::Follower content;
  content.set_on(static_cast<saga::v1::Saga::State>(follower.on));
  for (const std::string& reason : follower.reasons) content.add_reasons(reason);
  content.set_steps(follower.steps);
  content.set_first_step(follower.first_step);
  for (const FollowerCopy& copy : follower.copies) {
    stored::Copy& to = *content.add_copies();
    to.set_root(copy.root);
    to.mutable_source()->Add(copy.source.begin(), copy.source.end());
    to.mutable_target()->Add(copy.target.begin(), copy.target.end());
  }
  content.set_why_not_built(follower.why_not_built);
  return content.SerializeAsString();
}

// What BirthsOf relies on; a damaged row may be a message all the same.
bool IsSound(const Follower& follower) {
  const bool is_end =
      follower.on == SagaState::kRunning || IsTerminal(follower.on);  // running: follows no end any more
  const bool has_steps = follower.first_step >= 0 && follower.first_step < follower.steps;
  return is_end && has_steps &&
         std::all_of(follower.copies.begin(), follower.copies.end(),
                     [](const FollowerCopy& copy) { return copy.root >= kParentFacts && !copy.target.empty(); });
}

// False if `content` is not one that Encode made, or a newer version's.
bool Decode(const std::string& content, Follower& follower) {
  stored::Follower from;
  if (!from.ParseFromString(content) || !saga::v1::Saga::State_IsValid(from.on())) return false;
  follower.on = static_cast<SagaState>(from.on());
  follower.reasons.assign(from.reasons().begin(), from.reasons().end());
  follower.steps = from.steps();
  follower.first_step = from.first_step();
  for (const stored::Copy& copy : from.copies()) {
    follower.copies.push_back({.root = copy.root(),
                               .source = {copy.source().begin(), copy.source().end()},
                               .target = {copy.target().begin(), copy.target().end()}});
  }
  follower.why_not_built = from.why_not_built();
  return IsSound(follower);
}

Follower FollowerOf(const DefinitionVersion& parent, const DefinitionVersion& definition, std::string content) {
  Follower follower;
  follower.parent = parent;
  follower.definition = definition;
  if (Decode(content, follower)) return follower;
  Follower unread;
  unread.parent = parent;
  unread.definition = definition;
  unread.on = SagaState::kRunning;
  unread.unreadable = std::move(content);
  return unread;
}

std::string InsertFollowerIn(Dialect dialect) {
  return absl::StrCat(
      "INSERT INTO follower (parent, parent_version, name, version, content)"
      " VALUES (:parent, :parent_version, :name, :version, CAST(:content AS ",
      dialect == Dialect::kPostgres ? "bytea" : "blob", "))");
}

}  // namespace

std::int64_t FollowerGeneration(soci::session& sql) {
  long long generation = 0;
  RunOnce(sql, kGeneration, into(generation));
  return generation;
}

FollowerSet FollowersOf(soci::session& sql) {
  FollowerSet set;
  set.generation = FollowerGeneration(sql);
  DefinitionVersion parent, definition;
  std::string content;
  Statement select(sql, kSelectFollowers, into(parent.name), into(parent.version), into(definition.name),
                   into(definition.version), into(content));
  select.Execute();
  while (select.Fetch()) set.followers.push_back(FollowerOf(parent, definition, BytesOf(sql, content)));
  return set;
}

absl::Status PutFollowerRows(soci::session& sql, std::int64_t seen_generation, const std::vector<Follower>& followers) {
  const long long seen = seen_generation;
  if (Statement(sql, kAdvance, use(seen)).CountChanges() != 1) {
    return absl::AbortedError("others have changed who follows whom");
  }
  Statement(sql, kDeleteAll).CountChanges();
  const Dialect dialect = DialectOf(sql);
  const std::string insert = InsertFollowerIn(dialect);
  for (const Follower& each : followers) {
    const std::string bytes = Encode(each);
    const std::string content = dialect == Dialect::kPostgres ? ToPgText(PgBytes{bytes}) : bytes;
    Statement(sql, insert, use(each.parent.name), use(each.parent.version), use(each.definition.name),
              use(each.definition.version), use(content))
        .CountChanges();
  }
  return absl::OkStatus();
}

std::vector<Child> ChildRows(soci::session& sql, const std::string& parent_id) {
  Child row;
  int state = 0;
  Statement select(sql, kChildren, into(row.id), into(row.definition.name), into(row.definition.version), into(state),
                   use(parent_id));
  std::vector<Child> children;
  select.Execute();
  while (select.Fetch()) {
    row.state = static_cast<SagaState>(state);
    children.push_back(row);
  }
  return children;
}

}  // namespace unwind

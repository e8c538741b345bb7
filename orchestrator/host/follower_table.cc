#include "orchestrator/host/follower_table.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "orchestrator/definition/follower_copies.h"
#include "orchestrator/definition/nested_sagas.h"
#include "orchestrator/host/definition_files.h"

namespace unwind {
namespace {

using Definitions = std::vector<std::shared_ptr<const Definition>>;

constexpr int kTries = 20;  // of putting what others change meanwhile

std::string NameOf(const DefinitionVersion& definition) {
  return absl::StrCat("saga '", definition.name, "' version ", definition.version);
}

// One look at what is stored, and what the table becomes of it.
class Table {
 public:
  Table(SagaStore& store, const Definitions& mine) : store_(store) {
    for (const auto& definition : mine) {
      const DefinitionVersion id{definition->plan().name, definition->plan().version};
      mine_.insert(id);
      known_[id] = definition;
    }
  }

  // Ascending, by parent and follower.
  absl::StatusOr<std::vector<Follower>> Make(const FollowerSet& before) {
    for (const Follower& row : before.followers) before_[{row.parent, row.definition}] = row;
    RETURN_IF_ERROR(FindFollowers(before));
    RETURN_IF_ERROR(FindParents());
    for (const auto& [name, definition] : followers_) {
      for (const std::string& parent : definition->follows()->parents) Follow(*definition, parent);
    }
    for (const DefinitionVersion& follower : left_alone_) LeaveAlone(follower);
    CheckCircles();
    if (const absl::Status nested = CheckNoneIsNested(Related()); !nested.ok()) errors_.emplace_back(nested.message());
    if (!errors_.empty()) return absl::InvalidArgumentError(absl::StrJoin(errors_, "\n"));
    std::sort(rows_.begin(), rows_.end(), [](const Follower& a, const Follower& b) {
      return std::tie(a.parent, a.definition) < std::tie(b.parent, b.definition);
    });
    return std::move(rows_);
  }

 private:
  // Of each name the highest version. One that cannot be used here, such as a newer program's, is left to those that
  // can.
  absl::Status FindFollowers(const FollowerSet& before) {
    std::map<std::string, int> newest;
    for (const Follower& row : before.followers) {
      int& version = newest[row.definition.name];
      version = std::max(version, row.definition.version);
    }
    for (const auto& id : mine_) {
      if (known_[id]->follows() == nullptr) continue;
      int& version = newest[id.name];
      if (version > id.version) {
        Log(Severity::kInfo, "a newer version of a follower counts",
            {{"definition", id.name}, {"version", absl::StrCat(id.version)}, {"newer", absl::StrCat(version)}});
      }
      version = std::max(version, id.version);
    }
    for (const auto& [name, version] : newest) {
      ASSIGN_OR_RETURN(const std::shared_ptr<const Definition> definition, Load({name, version}));
      if (definition != nullptr && definition->follows() != nullptr) {
        followers_[name] = definition;
      } else {
        left_alone_.insert({name, version});
      }
    }
    return absl::OkStatus();
  }

  // The versions of all that is followed.
  absl::Status FindParents() {
    std::set<std::string> followed;
    for (const auto& [name, definition] : followers_) {
      followed.insert(definition->follows()->parents.begin(), definition->follows()->parents.end());
    }
    if (followed.empty()) return absl::OkStatus();
    ASSIGN_OR_RETURN(const std::vector<DefinitionVersion> stored, store_.StoredDefinitions());
    for (const DefinitionVersion& id : stored) {
      if (followed.count(id.name) == 0) continue;
      ASSIGN_OR_RETURN(parents_[id], Load(id));
    }
    for (const DefinitionVersion& id : mine_) {
      if (followed.count(id.name) > 0) parents_[id] = known_[id];
    }
    ASSIGN_OR_RETURN(const std::vector<DefinitionVersion> in_use, store_.DefinitionsInUse());
    in_use_.insert(in_use.begin(), in_use.end());
    return absl::OkStatus();
  }

  // Null: it cannot be used here, which is not this instance's fault.
  absl::StatusOr<std::shared_ptr<const Definition>> Load(const DefinitionVersion& id) {
    const auto known = known_.find(id);
    if (known != known_.end()) return known->second;
    const absl::StatusOr<StoredDefinition> stored = store_.LoadDefinition(id.name, id.version);
    if (absl::IsUnavailable(stored.status())) return stored.status();
    std::shared_ptr<const Definition> definition;
    if (stored.ok()) {
      const auto loaded = LoadStoredDefinition(*stored);
      if (loaded.ok()) definition = *loaded;
    }
    known_[id] = definition;
    return definition;
  }

  void Follow(const Definition& definition, const std::string& parent) {
    for (const auto& [id, of] : parents_) {
      if (id.name != parent) continue;
      Follower row = of == nullptr ? AsItWas(definition, id) : FollowerOf(definition, *of);
      const bool concerns_us = mine_.count(id) > 0 || mine_.count(row.definition) > 0;
      const bool may_end = mine_.count(id) > 0 || in_use_.count(id) > 0;
      if (!row.why_not_built.empty() && concerns_us && may_end) {
        errors_.push_back(absl::StrCat(definition.follows()->place, ": ", NameOf(row.definition), " follows ",
                                       NameOf(id), mine_.count(id) > 0 ? "" : ", which has unfinished sagas", ": ",
                                       row.why_not_built,
                                       "; read what every version has, or wait until those sagas have ended"));
      }
      rows_.push_back(std::move(row));
    }
  }

  // Its rows stay as they are. A version of ours that has none would end without it.
  void LeaveAlone(const DefinitionVersion& follower) {
    std::set<std::string> parents;
    for (const auto& [key, row] : before_) {
      if (key.second != follower) continue;
      parents.insert(row.parent.name);
      rows_.push_back(row);
    }
    for (const DefinitionVersion& id : mine_) {
      if (parents.count(id.name) == 0 || before_.count({id, follower}) > 0) continue;
      errors_.push_back(absl::StrCat(NameOf(follower), " follows ", id.name,
                                     ", but does not load here, so that nobody knows whether it can follow ",
                                     NameOf(id), "; serve that first by a program that loads both"));
    }
  }

  // A parent that cannot be used here; if another instance could, what it found.
  Follower AsItWas(const Definition& definition, const DefinitionVersion& parent) const {
    const DefinitionVersion follower{definition.plan().name, definition.plan().version};
    const auto row = before_.find({parent, follower});
    if (row != before_.end()) return row->second;
    return {.parent = parent,
            .definition = follower,
            .on = definition.follows()->on,
            .reasons = definition.follows()->reasons,
            .steps = static_cast<int>(definition.plan().steps.size()),
            .first_step = 0,
            .copies = {},
            .why_not_built = absl::StrCat(NameOf(parent), " does not load")};
  }

  void CheckCircles() {
    for (const auto& [name, definition] : followers_) {
      std::set<std::string> seen;
      std::vector<std::string> open = definition->follows()->parents;
      while (!open.empty()) {
        const std::string parent = std::move(open.back());
        open.pop_back();
        const auto follower = followers_.find(parent);
        if (follower == followers_.end() || !seen.insert(parent).second) continue;
        const std::vector<std::string>& next = follower->second->follows()->parents;
        open.insert(open.end(), next.begin(), next.end());
      }
      if (seen.count(name) == 0) continue;
      errors_.push_back(absl::StrCat(definition->follows()->place, ": saga '", name,
                                     "' follows sagas that follow it; they would start each other without end: take one"
                                     " of them out of a 'follows'"));
    }
  }

  Definitions Related() const {
    Definitions related;
    for (const auto& [id, definition] : known_) {
      if (definition != nullptr) related.push_back(definition);
    }
    return related;
  }

  SagaStore& store_;
  std::map<std::pair<DefinitionVersion, DefinitionVersion>, Follower> before_;  // by parent and follower
  std::set<DefinitionVersion> mine_;
  std::map<DefinitionVersion, std::shared_ptr<const Definition>> known_;
  std::map<std::string, std::shared_ptr<const Definition>> followers_;      // by name
  std::set<DefinitionVersion> left_alone_;                                  // followers that cannot be used here
  std::map<DefinitionVersion, std::shared_ptr<const Definition>> parents_;  // null: does not load
  std::set<DefinitionVersion> in_use_;
  std::vector<Follower> rows_;
  std::vector<std::string> errors_;
};

// Its definition does not load here, else it would have been made anew.
void WarnOfUnreadable(const std::vector<Follower>& rows) {
  for (const Follower& row : rows) {
    if (!row.unreadable.has_value()) continue;
    Log(Severity::kError,
        "what is stored of a follower cannot be read: a newer version wrote it, or it is damaged; here no saga of its "
        "parent can end",
        {{"parent", row.parent.name},
         {"parent_version", absl::StrCat(row.parent.version)},
         {"definition", row.definition.name},
         {"version", absl::StrCat(row.definition.version)}});
  }
}

}  // namespace

absl::Status CheckFollowers(SagaStore& store, const Definitions& definitions) {
  ASSIGN_OR_RETURN(const FollowerSet before, store.Followers());
  return Table(store, definitions).Make(before).status();
}

absl::Status UpdateFollowers(SagaStore& store, const Definitions& definitions) {
  for (int tries = 0; tries < kTries; ++tries) {
    ASSIGN_OR_RETURN(const FollowerSet before, store.Followers());
    ASSIGN_OR_RETURN(const std::vector<Follower> rows, Table(store, definitions).Make(before));
    if (rows == before.followers) {
      WarnOfUnreadable(rows);
      return absl::OkStatus();
    }
    // And once more after a put: who has stored another version of a parent meanwhile may have looked at the table
    // before it, and then has put nothing. One of the two sees what the other wrote.
    const absl::Status put = store.PutFollowers(before.generation, rows);
    if (!put.ok() && !absl::IsAborted(put)) return put;
  }
  return absl::UnavailableError("others change who follows whom again and again");
}

}  // namespace unwind

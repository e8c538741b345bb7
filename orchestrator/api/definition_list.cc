#include "orchestrator/api/definition_list.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "orchestrator/api/saga_proto.h"

namespace unwind {

absl::Status ListDefinitions(SagaStore& store, const DefinitionCatalog& catalog,
                             saga::v1::ListDefinitionsResponse& response) {
  ASSIGN_OR_RETURN(const std::vector<UnfinishedCount> counts, store.CountUnfinished(/*instance=*/""));
  std::map<DefinitionVersion, saga::v1::Definition> all;
  for (const auto& [name, version] : catalog.Versions()) all[{name, version}];
  for (const auto& definition : catalog.served()) {
    all[{definition->plan().name, definition->plan().version}].set_served(true);
  }
  for (const UnfinishedCount& count : counts) {
    saga::v1::UnfinishedSagas& unfinished = *all[count.definition].add_unfinished();
    unfinished.set_state(static_cast<saga::v1::Saga::State>(count.state));
    unfinished.set_count(count.sagas);
    *unfinished.mutable_oldest_create_time() = ToProto(count.oldest);
  }
  ASSIGN_OR_RETURN(const std::vector<DefinitionPause> pauses, store.Pauses());
  for (auto& [id, shown] : all) {
    shown.set_name(id.name);
    shown.set_version(id.version);
    shown.set_undriven_reason(catalog.WhyNotDriven(id.name, id.version));
    const std::shared_ptr<const Definition> definition = catalog.Find(id.name, id.version);
    if (definition != nullptr && definition->follows() != nullptr) {
      *shown.mutable_follows() = ToProto(*definition->follows());
    } else if (definition != nullptr) {
      const google::protobuf::MethodDescriptor& method = *definition->serves();
      shown.set_method(absl::StrCat(method.service()->full_name(), "/", method.name()));
    }
    const auto pause = std::find_if(pauses.begin(), pauses.end(), [&shown = shown](const DefinitionPause& each) {
      return each.definition == shown.name();
    });
    if (pause != pauses.end()) *shown.mutable_pause() = ToProto(*pause);
    *response.add_definitions() = std::move(shown);
  }
  return absl::OkStatus();
}

}  // namespace unwind

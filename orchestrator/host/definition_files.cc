#include "orchestrator/host/definition_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "orchestrator/definition/nested_sagas.h"

namespace unwind {
namespace {

constexpr std::size_t kDescriptorSetBytesMax = 64 << 20;
constexpr std::size_t kReadBytes = 64 << 10;  // at a time

std::string ErrnoText(int number) { return std::error_code(number, std::generic_category()).message(); }

// The errors of many files become one status, so that a person sees them all at once.
absl::Status Together(absl::StatusCode code, const std::vector<std::string>& errors) {
  return errors.empty() ? absl::OkStatus() : absl::Status(code, absl::StrJoin(errors, "\n"));
}

// A folder's *.yaml files, else `path` itself.
absl::StatusOr<std::vector<std::string>> Expand(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) return std::vector<std::string>{path};
  std::vector<std::string> files;
  for (auto it = std::filesystem::directory_iterator(path, error);
       !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
    if (it->path().extension() == ".yaml") files.push_back(it->path().string());
  }
  if (error) return absl::NotFoundError(absl::StrCat(path, ": cannot be read: ", error.message()));
  std::sort(files.begin(), files.end());
  return files;
}

absl::StatusOr<std::shared_ptr<const DescriptorSource>> LoadSet(const std::string& file) {
  ASSIGN_OR_RETURN(const std::string bytes, ReadFile(file, kDescriptorSetBytesMax));
  return DescriptorSource::Build(file, bytes);
}

// A file whose definition is still to be loaded.
struct Unloaded {
  std::size_t index = 0;
  std::string file;
  std::string yaml;
  std::vector<std::string> parents;
};

bool IsAmong(const std::vector<std::shared_ptr<const Definition>>& loaded, const std::string& name) {
  return std::any_of(loaded.begin(), loaded.end(), [&](const auto& each) { return each->plan().name == name; });
}

// ALREADY_EXISTS: it is stored under another hash. An older program may have computed that of the same meaning, which
// is then as good as equal.
absl::Status StoreDefinition(SagaStore& store, const Definition& definition) {
  const Plan& plan = definition.plan();
  const absl::Status put =
      store.PutDefinition({plan.name, plan.version, definition.hash(), definition.yaml(), definition.descriptors()});
  if (!absl::IsAlreadyExists(put)) return put;
  ASSIGN_OR_RETURN(const StoredDefinition stored, store.LoadDefinition(plan.name, plan.version));
  const absl::StatusOr<std::shared_ptr<const Definition>> loaded = LoadStoredDefinition(stored);
  return loaded.ok() && (*loaded)->hash() == definition.hash() ? store.PutDefinition(stored) : put;
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path, std::size_t bytes_max) {
  const auto error = [&path](const std::string& what) { return absl::NotFoundError(absl::StrCat(path, ": ", what)); };
  // Without waiting: to open a named pipe would wait for its writer.
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return error(absl::StrCat("cannot be read: ", ErrnoText(errno)));
  const absl::Cleanup close = [file] { ::close(file); };
  struct stat facts = {};
  if (::fstat(file, &facts) != 0 || !S_ISREG(facts.st_mode)) return error("cannot be read: it is not a regular file");
  std::string text;
  for (ssize_t got = 1; got > 0 && text.size() <= bytes_max;) {
    const std::size_t before = text.size();
    text.resize(before + std::min(kReadBytes, bytes_max + 1 - before));
    got = ::read(file, text.data() + before, text.size() - before);
    if (got < 0) return error(absl::StrCat("cannot be read: ", ErrnoText(errno)));
    text.resize(before + static_cast<std::size_t>(got));
  }
  if (text.size() > bytes_max) return error(absl::StrCat("it has more than ", bytes_max, " bytes, which is too large"));
  return text;
}

absl::StatusOr<DescriptorSets> LoadDescriptors(const std::vector<std::string>& given, const std::string& built_in) {
  std::vector<DescriptorSets::Set> sets;
  std::vector<std::string> errors;
  const auto load = [&](const std::string& file) {
    const absl::StatusOr<DescriptorSets::Set> set = LoadSet(file);
    if (set.ok()) sets.push_back(*set);
    if (!set.ok()) errors.emplace_back(set.status().message());
  };
  for (const std::string& file : given) load(file);
  load(built_in);
  RETURN_IF_ERROR(Together(absl::StatusCode::kInvalidArgument, errors));
  const DescriptorSets::Set last = sets.back();
  sets.pop_back();
  return DescriptorSets(std::move(sets), last);
}

absl::StatusOr<std::vector<std::string>> ListDefinitionFiles(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    ASSIGN_OR_RETURN(const std::vector<std::string> found, Expand(path));
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

// In rounds: each loads what follows only what the rounds before have loaded; the last one all that is left, with what
// is wrong with it.
std::vector<absl::StatusOr<std::shared_ptr<const Definition>>> LoadEachFile(const std::vector<std::string>& files,
                                                                            const DescriptorSets& sets) {
  std::vector<absl::StatusOr<std::shared_ptr<const Definition>>> all(files.size());
  std::vector<Unloaded> left;
  for (std::size_t i = 0; i < files.size(); ++i) {
    absl::StatusOr<std::string> yaml = ReadFile(files[i], kDefinitionBytesMax);
    if (!yaml.ok()) {
      all[i] = yaml.status();
      continue;
    }
    std::vector<std::string> parents = ParentsNamedIn(*yaml);
    left.push_back({i, files[i], *std::move(yaml), std::move(parents)});
  }
  std::vector<std::shared_ptr<const Definition>> loaded;
  for (bool is_last = false; !left.empty();) {
    const std::vector<std::shared_ptr<const Definition>> before = loaded;
    const auto waits = [&](const Unloaded& each) {
      return !is_last && !std::all_of(each.parents.begin(), each.parents.end(),
                                      [&](const std::string& parent) { return IsAmong(before, parent); });
    };
    const auto first_waiting = std::stable_partition(left.begin(), left.end(), std::not_fn(waits));
    for (auto each = left.begin(); each != first_waiting; ++each) {
      all[each->index] = sets.Load(each->file, each->yaml, before);
      if (all[each->index].ok()) loaded.push_back(*all[each->index]);
    }
    is_last = first_waiting == left.begin();
    left.erase(left.begin(), first_waiting);
  }
  return all;
}

absl::StatusOr<std::vector<std::shared_ptr<const Definition>>> LoadDefinitionFiles(
    const std::vector<std::string>& files, const DescriptorSets& sets) {
  std::vector<std::shared_ptr<const Definition>> definitions;
  std::vector<std::string> errors;
  for (absl::StatusOr<std::shared_ptr<const Definition>>& definition : LoadEachFile(files, sets)) {
    if (definition.ok()) {
      definitions.push_back(*std::move(definition));
    } else {
      errors.emplace_back(definition.status().message());
    }
  }
  RETURN_IF_ERROR(Together(absl::StatusCode::kInvalidArgument, errors));
  return definitions;
}

absl::Status StoreDefinitions(SagaStore& store, const std::vector<std::shared_ptr<const Definition>>& definitions) {
  std::vector<std::string> errors;
  for (const std::shared_ptr<const Definition>& definition : definitions) {
    const Plan& plan = definition->plan();
    const absl::Status put = StoreDefinition(store, *definition);
    if (absl::IsAlreadyExists(put)) {
      errors.push_back(absl::StrCat(
          "saga ", plan.name, " version ", plan.version,
          " is stored with another meaning (of the file, or of the types its methods use), and sagas may be running on "
          "it; raise `version` to ",
          plan.version + 1));
    } else {
      RETURN_IF_ERROR(put);
    }
  }
  return Together(absl::StatusCode::kAlreadyExists, errors);
}

absl::StatusOr<std::shared_ptr<const Definition>> LoadStoredDefinition(const StoredDefinition& stored) {
  const std::string name = absl::StrCat("stored saga ", stored.name, " version ", stored.version);
  ASSIGN_OR_RETURN(const auto descriptors, DescriptorSource::Build(name, stored.descriptors));
  return LoadDefinition(name, stored.yaml, descriptors, Origin::kStored);
}

absl::Status ServeDefinitions(const std::vector<std::shared_ptr<const Definition>>& definitions,
                              DefinitionCatalog& catalog) {
  RETURN_IF_ERROR(CheckNoneIsNested(definitions));
  std::vector<std::string> errors;
  for (const std::shared_ptr<const Definition>& definition : definitions) {
    absl::Status served = catalog.Add(definition);
    if (served.ok()) served = catalog.Serve(definition);
    if (!served.ok()) errors.emplace_back(served.message());
  }
  return Together(absl::StatusCode::kInvalidArgument, errors);
}

}  // namespace unwind

// How a scalar of a definition file is written.
#ifndef UNWIND_ORCHESTRATOR_DEFINITION_QUOTED_H_
#define UNWIND_ORCHESTRATOR_DEFINITION_QUOTED_H_

#include <yaml-cpp/yaml.h>

namespace unwind {

// Whether the scalar is a text whatever it looks like: quoted, a block after | or >, or tagged !!str.
inline bool IsQuoted(const YAML::Node& scalar) {
  // yaml-cpp tags quoted and block scalars "!", plain ones "?".
  return scalar.Tag() == "!" || scalar.Tag() == "tag:yaml.org,2002:str";
}

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_DEFINITION_QUOTED_H_

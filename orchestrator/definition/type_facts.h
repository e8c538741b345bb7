// What types say that matters to the bytes and checks of a saga's messages, as comparable lines. Comments, the names
// that other languages use, and the order in a file do not count.
#ifndef UNWIND_ORCHESTRATOR_DEFINITION_TYPE_FACTS_H_
#define UNWIND_ORCHESTRATOR_DEFINITION_TYPE_FACTS_H_

#include <set>
#include <string>
#include <vector>

#include "google/protobuf/descriptor.h"

namespace unwind {

// One line each: a method with its types, a message, a field with its number, type and saga.v1.rules, an enum's value.
using TypeFacts = std::set<std::string>;

// Of everything that a file declares.
TypeFacts FactsOfFile(const google::protobuf::FileDescriptor& file);

// Of the methods and of all types that can stand in their requests and responses.
TypeFacts FactsOfMethods(const std::vector<const google::protobuf::MethodDescriptor*>& methods);

// Whether a program that knows `facts` can read and write all that `others` describe.
bool Covers(const TypeFacts& facts, const TypeFacts& others);

// The first of `others` that is not in `facts`. REQUIRES: !Covers(facts, others).
const std::string& FirstMissing(const TypeFacts& facts, const TypeFacts& others);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_DEFINITION_TYPE_FACTS_H_

#include "sagactl/json.h"

#include <string>

#include "google/protobuf/util/json_util.h"
#include "sagactl/text.h"

namespace unwind::sagactl {

void PrintJson(Session& session, const google::protobuf::Message& message) {
  std::string json;
  const auto written = google::protobuf::util::MessageToJsonString(message, &json);
  if (written.ok()) {
    session.out << json << "\n";
  } else {
    session.err << "sagactl: a result cannot be written as JSON: " << Escaped(written.message().ToString()) << "\n";
  }
}

}  // namespace unwind::sagactl

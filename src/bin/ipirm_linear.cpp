// ipirm-linear: evaluates the encoder of a checkpoint by a linear classifier.
#include "ipirm/app/linear_app.h"
#include "ipirm/app/program.h"

int main(int argc, char** argv) {
  return ipirm::app::run_program([&] {
    const auto config = ipirm::config::parse_linear(argc, argv);
    return config ? ipirm::app::run_linear(*config) : ipirm::app::kExitOk;
  });
}

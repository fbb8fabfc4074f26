// ipirm-metrics: what features of samples with known factors keep apart.
#include "ipirm/app/metrics_app.h"
#include "ipirm/app/program.h"

int main(int argc, char** argv) {
  return ipirm::app::run_program([&] {
    const auto config = ipirm::config::parse_metrics(argc, argv);
    return config ? ipirm::app::run_metrics(*config) : ipirm::app::kExitOk;
  });
}

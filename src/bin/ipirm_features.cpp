// ipirm-features: writes the features of a set's images by a saved network.
#include "ipirm/app/features_app.h"
#include "ipirm/app/program.h"

int main(int argc, char** argv) {
  return ipirm::app::run_program([&] {
    const auto config = ipirm::config::parse_features(argc, argv);
    return config ? ipirm::app::run_features(*config) : ipirm::app::kExitOk;
  });
}

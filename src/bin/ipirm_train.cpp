// ipirm-train: trains IP-IRM or its contrastive baseline.
#include "ipirm/app/program.h"
#include "ipirm/app/train_app.h"

int main(int argc, char** argv) {
  return ipirm::app::run_program([&] {
    const auto config = ipirm::config::parse_train(argc, argv);
    return config ? ipirm::app::run_train(*config) : ipirm::app::kExitOk;
  });
}

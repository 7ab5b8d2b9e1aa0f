//! Hearth-network as a program of its own, for tests and for servers that do not want to execute themselves.

fn main() {
    hearth_network::network_main_if_requested();
    eprintln!("hearth-network is started by the hearth server and does nothing by itself");
    std::process::exit(2);
}

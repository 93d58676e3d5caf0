"""What both programs do on the network, tested against both."""

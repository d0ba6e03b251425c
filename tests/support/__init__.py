"""What the tests share: a server in processes of its own, and clients that send any bytes."""

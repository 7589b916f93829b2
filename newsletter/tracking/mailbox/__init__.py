"""What comes back by mail: bounces, complaints, automatic answers and wishes to leave, read and correlated."""

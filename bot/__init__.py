"""What we decide: answer, ask back, abstain or hand over; what to suggest next."""

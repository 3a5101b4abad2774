"""What `keystead status` tells and `keystead doctor` checks: one scene, looked at once, and checks that each read it."""

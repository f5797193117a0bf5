"""What attackers try, against a server as it faces the internet, and what a neighbour notices of it."""

"""The console command `vision-models`."""

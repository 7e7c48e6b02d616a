//! Raw points of the two best published detectors on the series we have, standard profile, as the
//! benchmark's repository holds them (`results/ARTime/ARTime_standard_scores.csv`,
//! `results/contextOSE/contextOSE_standard_scores.csv`; numenta/NAB, MIT): their thresholds were
//! chosen on all 58 series. Not here: anything of ours.

/// Series, ARTime, CAD OSE to four digits; in order of name.
pub(crate) const PUBLISHED: [(&str, f64, f64); 31] = [
    ("artificialNoAnomaly/art_daily_no_noise.csv", -0.1100, 0.0),
    ("artificialNoAnomaly/art_daily_small_noise.csv", 0.0, -0.3300),
    ("artificialNoAnomaly/art_noisy.csv", 0.0, 0.0),
    ("artificialWithAnomaly/art_daily_flatmiddle.csv", 0.8040, 0.7955),
    ("artificialWithAnomaly/art_daily_jumpsup.csv", 0.8589, 0.8607),
    ("artificialWithAnomaly/art_increase_spike_density.csv", 0.8460, 0.8624),
    ("realAWSCloudwatch/ec2_cpu_utilization_24ae8d.csv", 1.6317, 1.7231),
    ("realAWSCloudwatch/ec2_cpu_utilization_5f5533.csv", 1.6977, 1.5140),
    ("realAWSCloudwatch/ec2_cpu_utilization_825cc2.csv", 0.8196, 0.8111),
    ("realAWSCloudwatch/ec2_cpu_utilization_c6585a.csv", -0.1100, -0.2200),
    ("realAWSCloudwatch/ec2_disk_write_bytes_1ef3de.csv", 0.4673, 0.4607),
    ("realAWSCloudwatch/ec2_network_in_257a54.csv", 0.7649, 0.8571),
    ("realAWSCloudwatch/elb_request_count_8c0756.csv", 1.3636, 1.7160),
    ("realAWSCloudwatch/iio_us-east-1_i-a2eb1cd9_NetworkIn.csv", -2.3300, -2.1100),
    ("realAWSCloudwatch/rds_cpu_utilization_e47b3b.csv", 1.4060, 1.5071),
    ("realAdExchange/exchange-2_cpc_results.csv", 0.5320, 0.8907),
    ("realAdExchange/exchange-3_cpc_results.csv", 2.7008, 2.4887),
    ("realAdExchange/exchange-4_cpc_results.csv", 2.0467, 0.5123),
    ("realKnownCause/ambient_temperature_system_failure.csv", 1.6577, -0.4286),
    ("realKnownCause/ec2_request_latency_system_failure.csv", 1.3906, 1.9906),
    ("realKnownCause/nyc_taxi.csv", 3.7752, -1.4298),
    ("realKnownCause/rogue_agent_key_updown.csv", -2.5677, -2.2200),
    ("realTraffic/TravelTime_387.csv", 1.9285, 2.1109),
    ("realTraffic/occupancy_6005.csv", 0.3603, 0.4214),
    ("realTraffic/speed_6005.csv", 0.8393, 0.8595),
    ("realTraffic/speed_t4013.csv", 1.6145, 1.8763),
    ("realTweets/Twitter_volume_AAPL.csv", 2.9161, 1.5881),
    ("realTweets/Twitter_volume_CRM.csv", 2.1007, 2.5827),
    ("realTweets/Twitter_volume_FB.csv", 1.2142, 1.7205),
    ("realTweets/Twitter_volume_IBM.csv", 0.7780, 1.2504),
    ("realTweets/Twitter_volume_PFE.csv", 2.5868, 3.4570),
];

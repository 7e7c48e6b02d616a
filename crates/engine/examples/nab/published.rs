//! Raw points of the two best published detectors on the series we have, standard profile, as the
//! benchmark's repository holds them (`results/ARTime/ARTime_standard_scores.csv`,
//! `results/contextOSE/contextOSE_standard_scores.csv`; numenta/NAB, MIT): their thresholds were
//! chosen on all 58 series. Not here: anything of ours.

/// Series, ARTime, CAD OSE; in order of name.
pub(crate) const PUBLISHED: [(&str, f64, f64); 31] = [
    ("artificialNoAnomaly/art_daily_no_noise.csv", -0.110000, 0.000000),
    ("artificialNoAnomaly/art_daily_small_noise.csv", 0.000000, -0.330000),
    ("artificialNoAnomaly/art_noisy.csv", 0.000000, 0.000000),
    ("artificialWithAnomaly/art_daily_flatmiddle.csv", 0.803974, 0.795472),
    ("artificialWithAnomaly/art_daily_jumpsup.csv", 0.858909, 0.860672),
    ("artificialWithAnomaly/art_increase_spike_density.csv", 0.846036, 0.862417),
    ("realAWSCloudwatch/ec2_cpu_utilization_24ae8d.csv", 1.631679, 1.723102),
    ("realAWSCloudwatch/ec2_cpu_utilization_5f5533.csv", 1.697672, 1.514014),
    ("realAWSCloudwatch/ec2_cpu_utilization_825cc2.csv", 0.819555, 0.811094),
    ("realAWSCloudwatch/ec2_cpu_utilization_c6585a.csv", -0.110000, -0.220000),
    ("realAWSCloudwatch/ec2_disk_write_bytes_1ef3de.csv", 0.467302, 0.460654),
    ("realAWSCloudwatch/ec2_network_in_257a54.csv", 0.764852, 0.857127),
    ("realAWSCloudwatch/elb_request_count_8c0756.csv", 1.363591, 1.715956),
    ("realAWSCloudwatch/iio_us-east-1_i-a2eb1cd9_NetworkIn.csv", -2.330000, -2.110000),
    ("realAWSCloudwatch/rds_cpu_utilization_e47b3b.csv", 1.405996, 1.507059),
    ("realAdExchange/exchange-2_cpc_results.csv", 0.531983, 0.890720),
    ("realAdExchange/exchange-3_cpc_results.csv", 2.700762, 2.488728),
    ("realAdExchange/exchange-4_cpc_results.csv", 2.046652, 0.512283),
    ("realKnownCause/ambient_temperature_system_failure.csv", 1.657733, -0.428600),
    ("realKnownCause/ec2_request_latency_system_failure.csv", 1.390584, 1.990644),
    ("realKnownCause/nyc_taxi.csv", 3.775210, -1.429768),
    ("realKnownCause/rogue_agent_key_updown.csv", -2.567651, -2.220000),
    ("realTraffic/TravelTime_387.csv", 1.928470, 2.110887),
    ("realTraffic/occupancy_6005.csv", 0.360279, 0.421409),
    ("realTraffic/speed_6005.csv", 0.839319, 0.859537),
    ("realTraffic/speed_t4013.csv", 1.614460, 1.876274),
    ("realTweets/Twitter_volume_AAPL.csv", 2.916102, 1.588114),
    ("realTweets/Twitter_volume_CRM.csv", 2.100727, 2.582708),
    ("realTweets/Twitter_volume_FB.csv", 1.214244, 1.720482),
    ("realTweets/Twitter_volume_IBM.csv", 0.778024, 1.250365),
    ("realTweets/Twitter_volume_PFE.csv", 2.586827, 3.456956),
];
